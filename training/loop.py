"""The training loop: token-budget batches, bfloat16 where it helps, progress, checkpoints, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gateway.errors import TrainingDiverged
from training import checkpoint as checkpoints
from training.checkpoint import Standing, Trained
from training.device import autocast
from training.examples import IGNORE, Batch, Example, batches_by_tokens, collate
from training.identity import identity, since_then
from training.losses import HeadInput, hard_loss, occurrence_weights, relation_loss, soft_loss
from training.methods.hooks import Progress
from training.methods.registry import make_hooks
from training.parallel import workers


@dataclass(frozen=True)
class LoopSettings:
    """How one model is trained.

    ``token_budget`` is the padded size of a batch; ``accumulation`` batches make one update, in which every labelled
    token counts alike. ``token_noise`` replaces this share of input tokens by the mask token: it regularises at no
    cost, where drawing dropout masks for every layer takes a CPU longer than the layers themselves. ``methods``: lines
    that turn on methods, such as ``swat keep=50% structured``; see :mod:`training.methods.registry`.
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
    methods: tuple[str, ...] = since_then(())
    # How much it counts that tokens are related in the student's hidden states as they are in the teacher's.
    relation_weight: float = since_then(0.0)
    # Examples that are sorted by length together: no batch has more.
    pool: int = since_then(64)


#: An epoch has made the model worse when its mean loss is this many times the least so far, and this much above it:
#: between good epochs losses differ by less, a collapse is far beyond.
_WORSE_TIMES, _WORSE_BY = 1.5, 0.02
#: How often such an epoch is undone and the learning rate halved before training gives up.
MOST_ROLLBACKS = 3


#: One epoch: its number, loss and seconds, what methods report, ``f1`` by field where it was measured, ``undone``.
Record = dict[str, Any]
#: After an epoch: the model and the epoch's number to a text to show, or to F1 (0 to 100) by field.
Evaluate = Callable[[nn.Module, int], str | Mapping[str, float]]


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
    evaluate: Evaluate | None = None,
    device: torch.device | str = "cpu",
    methods: Sequence[str] = (),
    remaining: Callable[[float], str] | None = None,
) -> list[Record]:
    """Train the parameters that require gradients; returns one record an epoch.

    With ``checkpoint`` the state is written after every epoch (to a temporary file, then renamed) and a later call
    with the same settings, examples and ``inputs`` continues from it with the same random streams, so an interrupted
    run ends as an uninterrupted one does.

    A rate that is too high for some data makes a model collapse and never recover. So an epoch whose loss is far above
    the least so far is undone (the state before it is put back) and done again at half the rate; its record stays, with
    ``undone``.

    Under torchrun (:mod:`training.parallel`) every process takes ``accumulation`` batches of each update. All of them
    must call this; the first writes the checkpoint, evaluates and shows progress.

    Args:
        inputs: a fingerprint of everything else that shapes the result (labels, spans, base, teacher); a checkpoint
            made with another one is not continued.
        model: ``model(input_ids, attention_mask)`` gives logits ``[B, T, F, 3]``. It is moved to ``device`` and stays
            there.
        evaluate: called after every epoch. Its text is shown beside the loss; F1 by field (``micro`` for all) is shown
            too, and kept in the record.
        methods: lines beside those of ``settings``. With any, warm-up and decay of the rate go by the data seen instead
            of by updates.
        remaining: from the share of this training that is done to what is shown about the time left.

    Raises:
        TrainingDiverged: at every rate that was tried.
    """
    settings = replace(settings, methods=(*settings.methods, *methods))
    return _Training(
        model, examples, settings, vocabulary, checkpoint, inputs, description, torch.device(device), remaining
    ).run(evaluate)


class _Training:
    """One call of :func:`train`."""

    def __init__(
        self,
        model: nn.Module,
        examples: Sequence[Example],
        settings: LoopSettings,
        vocabulary: Vocabulary,
        checkpoint: Path | None,
        inputs: str,
        description: str,
        device: torch.device,
        remaining: Callable[[float], str] | None,
    ) -> None:
        self.model, self.examples, self.settings, self.vocabulary = model, examples, settings, vocabulary
        self.checkpoint, self.description, self.device, self.remaining = checkpoint, description, device, remaining
        self.workers = workers()
        self.hooks = make_hooks(settings.methods, warmup=settings.warmup)
        model.to(device)
        self.hooks.prepare(model)
        self.trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self.optimizer = self._optimizer()
        self.trained = Trained(model, self.trainable, self.optimizer, self.hooks)
        self.standing = Standing()
        lengths = [len(example.ids) for example in examples]
        unlabelled = [bool((example.targets == IGNORE).all()) for example in examples]
        self.plan = [epoch_batches(lengths, unlabelled, settings, epoch) for epoch in range(settings.epochs)]
        self.total_batches = sum(len(batches) for batches in self.plan)
        together = settings.accumulation * self.workers.count
        self.total_updates = sum(math.ceil(len(batches) / together) for batches in self.plan)
        # Tokens that labels, and that the teacher, say something about: what each batch counts for.
        self.labelled = [int((example.targets != IGNORE).any(-1).sum()) for example in examples]
        self.soft = [0 if item.soft is None else len(item.ids) - 1 - item.lead for item in examples]
        # A token alone in its window is related to nothing.
        self.related = [
            size if size > 1 and item.states is not None else 0 for item, size in zip(examples, self.soft, strict=True)
        ]
        self.fingerprint = {
            "format": checkpoints.FORMAT,
            "settings": identity(settings),
            "examples": len(examples),
            "tokens": sum(lengths),
            "inputs": inputs,
        }

    def _optimizer(self) -> torch.optim.Optimizer:
        head = [parameter for name, parameter in self.trainable.items() if name.startswith("head.")]
        body = [parameter for name, parameter in self.trainable.items() if not name.startswith("head.")]
        rates = (self.settings.learning_rate, self.settings.head_learning_rate)
        return torch.optim.AdamW(
            [
                {"params": parameters, "lr": rate, "base": rate}
                for parameters, rate in zip((body, head), rates, strict=True)
                if parameters
            ],
            weight_decay=self.settings.weight_decay,
        )

    def run(self, evaluate: Evaluate | None) -> list[Record]:
        if self.checkpoint is not None:
            found = checkpoints.load(
                self.checkpoint, self.fingerprint, self.workers.count, self.settings.epochs, self.trained
            )
            if found is not None:
                self.standing = found
                self._say(f"resuming after epoch {found.epoch} of {self.settings.epochs}")
        self.hooks.start(self.model, self.optimizer)
        while self.standing.epoch < self.settings.epochs:
            before, step = checkpoints.snapshot(self.trained), self.standing.step
            record = self._epoch()
            least = min((past["loss"] for past in self.standing.history if "undone" not in past), default=math.inf)
            if _is_worse(record["loss"], least):
                self._undo(record, least, before, step)
            else:
                self.standing.history.append(record)
                note = ""
                if evaluate is not None and self.workers.first:
                    measured = evaluate(self.model, self.standing.epoch + 1)
                    note = measured if isinstance(measured, str) else f"development F1 {_listed(measured)}"
                    record.update({} if isinstance(measured, str) else {"f1": dict(measured)})
                self._say(f"epoch {self.standing.epoch + 1} loss {record['loss']:.4f} {record['seconds']:.0f} s {note}")
                self.standing.epoch += 1
            if self.checkpoint is not None and self.workers.first:
                checkpoints.save(self.checkpoint, self.fingerprint, self.workers.count, self.trained, self.standing)
        self.hooks.finish(self.model)
        return self.standing.history

    def _undo(self, record: Record, least: float, before: dict[str, Any], step: int) -> None:
        standing = self.standing
        standing.history.append({**record, "undone": 1.0})
        standing.rate /= 2
        if sum("undone" in past for past in standing.history) > MOST_ROLLBACKS:
            raise TrainingDiverged(
                f"{self.description}: the loss rose to {record['loss']:.3g} (from {least:.3g}) at every rate that was"
                f" tried, the last of them {2 * standing.rate:g} times the recipe's; set a lower learning_rate"
            )
        self.trained.restore(before)
        standing.step = step
        self._say(
            f"epoch {standing.epoch + 1} loss {record['loss']:.4f}, far above {least:.4f}: undone,"
            f" to be done again at {standing.rate:g} times the learning rate"
        )

    def _say(self, text: str) -> None:
        if self.workers.first:
            print(f"{self.description}: {text}", flush=True)

    def _epoch(self) -> Record:
        """All updates of one epoch; its record."""
        epoch, settings = self.standing.epoch, self.settings
        batches, seen = self.plan[epoch], sum(len(batches) for batches in self.plan[:epoch])
        self.model.train()
        started = time.perf_counter()
        losses: list[float] = []
        start = 0
        with tqdm(
            total=len(batches),
            desc=f"{self.description} {epoch + 1}/{settings.epochs}",
            unit="batch",
            mininterval=5,
            disable=not self.workers.first,
        ) as progress:
            while start < len(batches):
                position = Progress(seen + start, self.total_batches, self.standing.step, settings.epochs)
                planned = self.hooks.batches(position, settings.accumulation)
                group = range(start, min(len(batches), start + planned * self.workers.count))
                filled = len(group) / (planned * self.workers.count)
                self._update(group, position, filled, losses, progress)
                start = group.stop
        total, count = self.workers.summed([sum(losses), len(losses)])
        self.workers.average_buffers(list(self.trained.buffers().values()))
        record: Record = {"epoch": epoch + 1, "loss": total / count, "seconds": time.perf_counter() - started}
        record.update(self.hooks.report())
        return record

    def _update(self, group: range, position: Progress, filled: float, losses: list[float], progress: tqdm) -> None:
        """One step of the optimizer from the batches ``group`` of the epoch, of which each process takes its share;
        ``filled``: how much that is of what was planned."""
        epoch, settings = self.standing.epoch, self.settings
        batches = self.plan[epoch]
        self.hooks.before_update(position)
        weighed = (
            (settings.hard_weight, self.labelled),
            (settings.soft_weight, self.soft),
            (settings.relation_weight, self.related),
        )
        totals = [sum(tokens[index] for number in group for index in batches[number]) for _, tokens in weighed]
        mine = group[self.workers.rank :: self.workers.count]
        for number in mine:
            indices = batches[number]
            shares = [
                sum(tokens[index] for index in indices) / total if total else 0.0
                for (_, tokens), total in zip(weighed, totals, strict=True)
            ]
            losses.append(self._batch(number, shares))
            # Each term of the loss has its own tokens; what a batch counts for is their mean by the terms' weights.
            weights = [weight if total else 0.0 for (weight, _), total in zip(weighed, totals, strict=True)]
            own = sum(weight * share for weight, share in zip(weights, shares, strict=True))
            self.hooks.after_backward(position, len(indices), own / sum(weights) if sum(weights) else 0.0)
            progress.update()
            self._show(progress, losses, position, number)
        progress.update(len(group) - len(mine))
        if settings.methods:
            warmed = _schedule(position.batches, self.total_batches, settings.warmup)
            factor = warmed * self.hooks.rate(replace(position, filled=filled))
        else:
            factor = _schedule(self.standing.step, self.total_updates, settings.warmup)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = parameters["base"] * self.standing.rate * factor
        self.workers.sum_gradients(list(self.trainable.values()))
        self.hooks.before_step(position)
        nn.utils.clip_grad_norm_(self.trainable.values(), settings.clip)
        self.optimizer.step()
        self.hooks.after_step(position)
        self.optimizer.zero_grad(set_to_none=True)
        self.standing.step += 1

    def _show(self, progress: tqdm, losses: Sequence[float], position: Progress, number: int) -> None:
        done = sum(len(batches) for batches in self.plan[: self.standing.epoch]) + number + 1
        shown = {"loss": f"{np.mean(losses[-50:]):.4f}"}
        if self.remaining:
            shown["all"] = self.remaining(done / position.total_batches)
        progress.set_postfix(shown, refresh=False)

    def _batch(self, number: int, shares: Sequence[float]) -> float:
        """Propagate one batch of the epoch back, the terms of its loss (labels, teacher, relations) weighted by their
        ``shares``; returns its own mean loss."""
        settings, epoch = self.settings, self.standing.epoch
        # Streams depend on the place in the training alone: a resumed run, and another number of processes, draw what
        # the first would have drawn.
        seed = int(np.random.SeedSequence([settings.seed, epoch, number]).generate_state(1, np.uint64)[0])
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        batch = collate([self.examples[index] for index in self.plan[epoch][number]], self.vocabulary.pad)
        ids = _noisy(batch, settings.token_noise, self.vocabulary, generator)
        relating = settings.relation_weight > 0 and batch.states is not None
        with HeadInput(self.model) if relating else nullcontext() as read:
            with autocast(self.device):
                logits = self.model(ids.to(self.device), batch.attention_mask.to(self.device))
            logits = logits.float().cpu()
            weights = occurrence_weights(logits, batch) if epoch >= settings.equal_occurrences else None
            hard, soft, related = shares
            term = settings.hard_weight * hard_loss(logits, batch, weights)
            loss, own = hard * term, float(term.detach())
            if settings.soft_weight:
                term = settings.soft_weight * soft_loss(logits, batch, settings.temperature)
                loss, own = loss + soft * term, own + float(term.detach())
            if read is not None and batch.states is not None and batch.soft_mask is not None:
                states = read.hidden.float().cpu()
                term = settings.relation_weight * relation_loss(states, batch.states, batch.soft_mask)
                loss, own = loss + related * term, own + float(term.detach())
            loss.backward()
        return own


def _listed(scores: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.1f}" for name, value in scores.items())


def _is_worse(loss: float, least: float) -> bool:
    if not math.isfinite(loss):
        return True
    return loss > _WORSE_TIMES * least and loss > least + _WORSE_BY


def epoch_batches(
    lengths: Sequence[int], unlabelled: Sequence[bool], settings: LoopSettings, epoch: int
) -> list[list[int]]:
    """The batches of one epoch, as indices of examples: all labelled ones and its own draw of the others."""
    rng = np.random.default_rng([settings.seed, epoch])
    chosen = list(range(len(lengths)))
    if settings.unlabelled_share < 1.0:
        extra = [index for index in chosen if unlabelled[index]]
        drawn = set(rng.choice(extra, round(settings.unlabelled_share * len(extra)), replace=False)) if extra else set()
        chosen = [index for index in chosen if not unlabelled[index] or index in drawn]
    batches = batches_by_tokens([lengths[index] for index in chosen], settings.token_budget, rng, pool=settings.pool)
    return [[chosen[index] for index in batch] for batch in batches]
