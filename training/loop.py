"""The training loop: token-budget batches, bfloat16 where it helps, progress, checkpoints, exact resume."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gateway.errors import TrainingDiverged
from gateway.files import replacing
from training.examples import IGNORE, Batch, Example, batches_by_tokens, collate
from training.losses import hard_loss, occurrence_weights, soft_loss
from training.methods.hooks import Hooks, Progress
from training.methods.registry import make_hooks


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


#: An epoch has made the model worse when its mean loss is this many times the least so far, and this much above it:
#: between good epochs losses differ by less, a collapse is far beyond.
_WORSE_TIMES, _WORSE_BY = 1.5, 0.02
#: How often such an epoch is undone and the learning rate halved before training gives up.
MOST_ROLLBACKS = 3


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
    methods: Sequence[str] = (),
) -> list[dict[str, float]]:
    """Train the parameters that require gradients; returns one record an epoch.

    With ``checkpoint`` the state is written after every epoch (to a temporary file, then renamed) and a later call
    with the same settings, examples and ``inputs`` continues from it with the same random streams, so an interrupted
    run ends as an uninterrupted one does.

    A rate that is too high for some data makes a model collapse and never recover. So an epoch whose loss is far above
    the least so far is undone (the state before it is put back) and done again at half the rate; its record stays, with
    ``undone``.

    Args:
        inputs: a fingerprint of everything else that shapes the result (labels, spans, base, teacher); a checkpoint
            made with another one is not continued.
        model: ``model(input_ids, attention_mask)`` gives logits ``[B, T, F, 3]``.
        evaluate: called after every epoch; its text is shown beside the loss.
        methods: lines that turn on methods, such as ``swat keep=50% structured``; see :mod:`training.methods.registry`.
            With any, warm-up and decay of the rate go by the data seen instead of by updates.

    Raises:
        TrainingDiverged: at every rate that was tried.
    """
    hooks = make_hooks(methods, warmup=settings.warmup)
    hooks.prepare(model)
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
    epoch, step, rate = 0, 0, 1.0
    fingerprint = {
        "settings": asdict(settings),
        "examples": len(examples),
        "tokens": sum(lengths),
        "inputs": inputs,
        **({"methods": list(methods)} if methods else {}),
    }
    if checkpoint is not None and checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["fingerprint"] == fingerprint:
            # Before the parameters: a method may have changed their sizes.
            hooks.load_state_dict(state.get("hooks", {}))
            with torch.no_grad():
                for name, parameter in trainable.items():
                    parameter.copy_(state["parameters"][name])
            optimizer.load_state_dict(state["optimizer"])
            epoch, step, rate, history = state["epoch"], state["step"], state.get("rate", 1.0), state["history"]
            print(f"{description}: resuming after epoch {epoch} of {settings.epochs}", flush=True)
    unlabelled = [bool((example.targets == IGNORE).all()) for example in examples]
    plan = [_epoch_batches(lengths, unlabelled, settings, epoch) for epoch in range(settings.epochs)]
    total = sum(math.ceil(len(batches) / settings.accumulation) for batches in plan)
    total_batches = sum(len(batches) for batches in plan)
    hooks.start(model, optimizer)
    while epoch < settings.epochs:
        before = _snapshot(trainable, optimizer, step, hooks)
        # Streams depend on the epoch alone, so a resumed run draws what the first would have drawn.
        torch.manual_seed(settings.seed * 1000 + epoch)
        generator = torch.Generator().manual_seed(settings.seed * 1000 + epoch)
        model.train()
        started = time.perf_counter()
        losses: list[float] = []
        seen = sum(len(batches) for batches in plan[:epoch])
        gathered = planned = 0
        progress = tqdm(plan[epoch], desc=f"{description} {epoch + 1}/{settings.epochs}", unit="batch", mininterval=5)
        for number, indices in enumerate(progress, start=1):
            if not gathered:
                position = Progress(seen + number - 1, total_batches, step, settings.epochs)
                planned = hooks.batches(position, settings.accumulation)
                hooks.before_update(position)
            batch = collate([examples[index] for index in indices], vocabulary.pad)
            with torch.autocast(device, torch.bfloat16):
                ids = _noisy(batch, settings.token_noise, vocabulary, generator)
                logits = model(ids.to(device), batch.attention_mask.to(device)).float().cpu()
            weights = occurrence_weights(logits, batch) if epoch >= settings.equal_occurrences else None
            loss = settings.hard_weight * hard_loss(logits, batch, weights)
            if settings.soft_weight:
                loss = loss + settings.soft_weight * soft_loss(logits, batch, settings.temperature)
            (loss / planned).backward()
            gathered += 1
            hooks.after_backward(position, len(indices))
            losses.append(float(loss.detach()))
            # A graph that is still there would hold parameters to their sizes, which a method may change.
            del loss, logits
            if gathered == planned or number == len(plan[epoch]):
                if methods:
                    factor = _schedule(position.batches, total_batches, settings.warmup) * hooks.rate(position)
                else:
                    factor = _schedule(step, total, settings.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = group["base"] * rate * factor
                hooks.before_step(position)
                nn.utils.clip_grad_norm_(trainable.values(), settings.clip)
                optimizer.step()
                hooks.after_step(position)
                optimizer.zero_grad(set_to_none=True)
                step += 1
                gathered = 0
            progress.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}")
        record = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "seconds": time.perf_counter() - started}
        record.update(hooks.report())
        least = min((past["loss"] for past in history if "undone" not in past), default=math.inf)
        if _is_worse(record["loss"], least):
            history.append({**record, "undone": 1.0})
            rate /= 2
            undone = sum("undone" in past for past in history)
            if undone > MOST_ROLLBACKS:
                raise TrainingDiverged(
                    f"{description}: the loss rose to {record['loss']:.3g} (from {least:.3g}) at every rate that was"
                    f" tried, the last of them {2 * rate:g} times the recipe's; set a lower learning_rate"
                )
            step = _restore(before, trainable, optimizer, hooks)
            print(
                f"{description}: epoch {epoch + 1} loss {record['loss']:.4f}, far above {least:.4f}: undone,"
                f" to be done again at {rate:g} times the learning rate",
                flush=True,
            )
        else:
            history.append(record)
            note = evaluate(model, epoch + 1) if evaluate else ""
            print(
                f"{description}: epoch {epoch + 1} loss {record['loss']:.4f} {record['seconds']:.0f} s {note}",
                flush=True,
            )
            epoch += 1
        if checkpoint is not None:
            with replacing(checkpoint) as temporary:
                torch.save(
                    {
                        "fingerprint": fingerprint,
                        "parameters": {name: parameter.detach() for name, parameter in trainable.items()},
                        "optimizer": optimizer.state_dict(),
                        "epoch": epoch,
                        "step": step,
                        "rate": rate,
                        "history": history,
                        **({"hooks": hooks.state_dict()} if methods else {}),
                    },
                    temporary,
                )
    hooks.finish(model)
    return history


def _is_worse(loss: float, least: float) -> bool:
    if not math.isfinite(loss):
        return True
    return loss > _WORSE_TIMES * least and loss > least + _WORSE_BY


def _snapshot(
    trainable: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, step: int, hooks: Hooks
) -> tuple[dict[str, Tensor], dict[str, Any], int, dict[str, Any]]:
    return (
        {name: parameter.detach().clone() for name, parameter in trainable.items()},
        copy.deepcopy(optimizer.state_dict()),
        step,
        copy.deepcopy(hooks.state_dict()),
    )


def _restore(
    snapshot: tuple[dict[str, Tensor], dict[str, Any], int, dict[str, Any]],
    trainable: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    hooks: Hooks,
) -> int:
    parameters, state, step, methods = snapshot
    hooks.load_state_dict(methods)
    with torch.no_grad():
        for name, parameter in trainable.items():
            parameter.copy_(parameters[name])
    optimizer.load_state_dict(state)
    return step


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
