"""The training loop: token-budget batches, bfloat16 where it helps, progress, checkpoints, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gateway.files import replacing
from training.examples import IGNORE, Batch, Example, batches_by_tokens, collate
from training.losses import hard_loss, occurrence_weights, soft_loss


@dataclass(frozen=True)
class LoopSettings:
    """How one model is trained.

    ``token_budget`` is the padded size of a batch; ``accumulation`` batches make one update. ``token_noise`` replaces
    this share of input tokens by the mask token: it regularises at no cost, where drawing dropout masks for every layer
    takes a CPU longer than the layers themselves.
    """

    epochs: int
    learning_rate: float
    head_learning_rate: float
    token_budget: int = 1600
    accumulation: int = 1
    warmup: float = 0.08
    weight_decay: float = 0.01
    clip: float = 1.0
    token_noise: float = 0.05
    hard_weight: float = 1.0
    soft_weight: float = 0.0
    temperature: float = 2.0
    # Epochs in which every occurrence of a value counts fully, before the model's own choice decides.
    equal_occurrences: int = 1
    # Share of the unlabelled examples drawn afresh for each epoch: how much computing they get beside the labelled
    # ones.
    unlabelled_share: float = 1.0
    seed: int = 0


@dataclass
class Vocabulary:
    """The ids of special tokens a batch needs."""

    pad: int
    mask: int
    special: tuple[int, ...]


def _noisy(batch: Batch, share: float, vocabulary: Vocabulary, generator: torch.Generator) -> Tensor:
    if share <= 0:
        return batch.input_ids
    hit = torch.rand(batch.input_ids.shape, generator=generator) < share
    for identifier in vocabulary.special:
        hit &= batch.input_ids != identifier
    return batch.input_ids.masked_fill(hit, vocabulary.mask)


def _schedule(step: int, total: int, warmup: float) -> float:
    ramp = max(1, round(total * warmup))
    if step < ramp:
        return (step + 1) / ramp
    return max(0.0, (total - step) / max(1, total - ramp))


def train(
    model: nn.Module,
    examples: Sequence[Example],
    settings: LoopSettings,
    vocabulary: Vocabulary,
    *,
    checkpoint: Path | None = None,
    inputs: str = "",
    description: str = "training",
    evaluate: Callable[[nn.Module, int], str] | None = None,
    device: str = "cpu",
) -> list[dict[str, float]]:
    """Train the parameters that require gradients; returns one record an epoch.

    With ``checkpoint`` the state is written after every epoch (to a temporary file, then renamed) and a later call
    with the same settings, examples and ``inputs`` continues from it with the same random streams, so an interrupted
    run ends as an uninterrupted one does.

    Args:
        inputs: a fingerprint of everything else that shapes the result (labels, spans, base, teacher); a checkpoint
            made with another one is not continued.
        model: ``model(input_ids, attention_mask)`` gives logits ``[B, T, F, 3]``.
        evaluate: called after every epoch; its text is shown beside the loss.
    """
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    head = [parameter for name, parameter in trainable.items() if name.startswith("head.")]
    body = [parameter for name, parameter in trainable.items() if not name.startswith("head.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": settings.learning_rate, "base": settings.learning_rate},
            {"params": head, "lr": settings.head_learning_rate, "base": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    lengths = [len(example.ids) for example in examples]
    history: list[dict[str, float]] = []
    first_epoch, step = 0, 0
    fingerprint = {
        "settings": asdict(settings),
        "examples": len(examples),
        "tokens": sum(lengths),
        "inputs": inputs,
    }
    if checkpoint is not None and checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["fingerprint"] == fingerprint:
            with torch.no_grad():
                for name, parameter in trainable.items():
                    parameter.copy_(state["parameters"][name])
            optimizer.load_state_dict(state["optimizer"])
            first_epoch, step, history = state["epoch"], state["step"], state["history"]
            print(f"{description}: resuming after epoch {first_epoch} of {settings.epochs}", flush=True)
    unlabelled = [bool((example.targets == IGNORE).all()) for example in examples]
    plan = [_epoch_batches(lengths, unlabelled, settings, epoch) for epoch in range(settings.epochs)]
    total = sum(math.ceil(len(batches) / settings.accumulation) for batches in plan)
    for epoch in range(first_epoch, settings.epochs):
        # Streams depend on the epoch alone, so a resumed run draws what the first would have drawn.
        torch.manual_seed(settings.seed * 1000 + epoch)
        generator = torch.Generator().manual_seed(settings.seed * 1000 + epoch)
        model.train()
        started = time.perf_counter()
        losses: list[float] = []
        progress = tqdm(plan[epoch], desc=f"{description} {epoch + 1}/{settings.epochs}", unit="batch", mininterval=5)
        for number, indices in enumerate(progress, start=1):
            batch = collate([examples[index] for index in indices], vocabulary.pad)
            with torch.autocast(device, torch.bfloat16):
                ids = _noisy(batch, settings.token_noise, vocabulary, generator)
                logits = model(ids.to(device), batch.attention_mask.to(device)).float().cpu()
            weights = occurrence_weights(logits, batch) if epoch >= settings.equal_occurrences else None
            loss = settings.hard_weight * hard_loss(logits, batch, weights)
            if settings.soft_weight:
                loss = loss + settings.soft_weight * soft_loss(logits, batch, settings.temperature)
            (loss / settings.accumulation).backward()
            losses.append(float(loss.detach()))
            if number % settings.accumulation == 0 or number == len(plan[epoch]):
                factor = _schedule(step, total, settings.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = group["base"] * factor
                nn.utils.clip_grad_norm_(trainable.values(), settings.clip)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                step += 1
            progress.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}")
        record = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "seconds": time.perf_counter() - started}
        history.append(record)
        note = evaluate(model, epoch + 1) if evaluate else ""
        print(
            f"{description}: epoch {epoch + 1} loss {record['loss']:.4f} {record['seconds']:.0f} s {note}", flush=True
        )
        if checkpoint is not None:
            with replacing(checkpoint) as temporary:
                torch.save(
                    {
                        "fingerprint": fingerprint,
                        "parameters": {name: parameter.detach() for name, parameter in trainable.items()},
                        "optimizer": optimizer.state_dict(),
                        "epoch": epoch + 1,
                        "step": step,
                        "history": history,
                    },
                    temporary,
                )
    return history


def _epoch_batches(
    lengths: Sequence[int], unlabelled: Sequence[bool], settings: LoopSettings, epoch: int
) -> list[list[int]]:
    rng = np.random.default_rng([settings.seed, epoch])
    chosen = list(range(len(lengths)))
    if settings.unlabelled_share < 1.0:
        extra = [index for index in chosen if unlabelled[index]]
        drawn = set(rng.choice(extra, round(settings.unlabelled_share * len(extra)), replace=False)) if extra else set()
        chosen = [index for index in chosen if not unlabelled[index] or index in drawn]
    batches = batches_by_tokens([lengths[index] for index in chosen], settings.token_budget, rng)
    return [[chosen[index] for index in batch] for batch in batches]
