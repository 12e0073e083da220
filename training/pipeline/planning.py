"""The plan: which stages are to be done, and how long they are likely to take, from a few timed batches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer
from torch import nn

from training import large, student
from training.device import autocast, precision
from training.examples import Example, collate
from training.loop import LoopSettings, epoch_batches
from training.losses import hard_loss
from training.outlook import words
from training.pipeline.folds import fold_count
from training.pipeline.models import large_examples
from training.pipeline.stage import Stage
from training.report.validation import VALIDATION

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline

#: Batches that are timed, after one that is not.
PROBES = 3
#: Seconds of what does not depend on the documents.
_FIXED = {"export": 60.0}


@dataclass(frozen=True)
class Rate:
    """Seconds a padded token takes: in training (forwards, backwards and the step) and in a forward pass alone."""

    training: float
    forward: float


@dataclass(frozen=True)
class Line:
    """One stage of a plan, and whether it was done before."""

    name: str
    done: bool


def undone(run: Pipeline, stages: Sequence[Stage]) -> list[Line]:
    """Which stages are to be done: from the first that is not, all that depend on its result.

    ``folds`` depends on the documents alone; everything else on what stands before it.
    """
    lines: list[Line] = []
    fresh = True
    for stage in stages:
        independent = stage.name == "folds"
        # What a stage depends on can only be asked once it is there.
        done = (fresh or independent) and run.stages.is_done(stage.name, stage.inputs(), stage.outputs)
        lines.append(Line(stage.name, done))
        fresh = fresh and done
    return lines


def estimate(run: Pipeline, lines: Sequence[Line]) -> dict[str, float]:
    """Seconds of every stage that is to be done; those of folds one by one."""
    wanted = {line.name for line in lines if not line.done}
    if not wanted:
        return {}
    examples = large_examples(run, run.encoder(run.recipe.large.base))
    tokens = float(sum(len(example.ids) for example in examples))
    documents = len(run.parts["train"])
    each = tokens / max(1, documents)
    unlabelled = each * len(run.unlabelled_documents)
    shown = each * len(run.parts["development"])
    both = {"folds", "calibrate", "report"}
    large_rate = _large_rate(run, examples) if wanted & {"large", "teacher", *both} else Rate(0.0, 0.0)
    student_rate = _student_rate(run, examples) if wanted & {"student", *both} else Rate(0.0, 0.0)
    large_loop, student_loop = run.recipe.large.loop, run.student_recipe.loop

    def train_large(share: float) -> float:
        epoch = share * _padded(examples, large_loop) * large_rate.training + shown * large_rate.forward
        return large_loop.epochs * epoch

    def ask_teacher(share: float) -> float:
        return (share * tokens + unlabelled) * large_rate.forward

    def train_student(share: float) -> float:
        drawn = student_loop.unlabelled_share * unlabelled
        padding = _padded(examples, student_loop) / max(1.0, tokens)
        epoch = (share * tokens + drawn) * padding * student_rate.training + shown * student_rate.forward
        return student_loop.epochs * epoch

    known = {**_FIXED, "large": train_large(1.0), "teacher": ask_teacher(1.0), "student": train_student(1.0)}
    # Serving reads one document at a time, in int8: a token takes about as long as one of a batch's forward pass.
    served = large_rate.forward + student_rate.forward
    known["calibrate"] = (tokens + shown + each * len(run.parts["calibration"])) * served
    # Each tier alone, and the cascade.
    validated = each * sum(len(ids) for part, ids in run.split.parts.items() if part.startswith(VALIDATION))
    known["report"] = 2 * validated * served
    found = {name: known[name] for name in known if name in wanted}
    if "folds" in wanted:
        count = fold_count(run, [*run.labelled, *run.parts["development"]])
        share = (count - 1) / count if count else 0.0
        for number in range(count):
            within = f"fold {number + 1} "
            found[f"{within}large"] = train_large(share)
            found[f"{within}teacher"] = ask_teacher(share)
            found[f"{within}student"] = train_student(share)
            found[f"{within}export"] = known["export"]
    return found


def show(run: Pipeline, lines: Sequence[Line], seconds: dict[str, float]) -> None:
    """Print the plan."""
    print(f"plan (estimated from {PROBES} batches of each model on {run.device.type}, {precision(run.device)}):")
    for line in lines:
        own = [one for name, one in seconds.items() if name == line.name or _fold_of(name, line.name)]
        what = "done before" if line.done else f"to do, about {words(sum(own))}" if own else "to do"
        print(f"  {line.name:10} {what}")
    total = sum(seconds.values())
    if total:
        ready = datetime.now().astimezone() + timedelta(seconds=total)
        print(f"  all together about {words(total)}: until {ready:%A %H:%M}", flush=True)
    else:
        print("  nothing is left to do that takes long", flush=True)


def _fold_of(name: str, stage: str) -> bool:
    return stage == "folds" and name.startswith("fold ")


def _padded(examples: Sequence[Example], settings: LoopSettings) -> float:
    """Padded tokens of one epoch over labelled examples."""
    lengths = [len(example.ids) for example in examples]
    batches = epoch_batches(lengths, [False] * len(lengths), settings, 0)
    return float(sum(len(batch) * max(lengths[index] for index in batch) for batch in batches))


def _large_rate(run: Pipeline, examples: Sequence[Example]) -> Rate:
    recipe, base = run.recipe.large, run.base_directories[run.recipe.large.base]
    network = large.build(recipe, base, len(run.fields), run.device)
    return measure(network, examples, recipe.loop, large.special_tokens(base / "tokenizer.json").pad, run.device)


def _student_rate(run: Pipeline, examples: Sequence[Example]) -> Rate:
    recipe, base = run.student_recipe, run.base_directories[run.recipe.student.base]
    own = run.student_tokenizer
    network = student.build(recipe, base, len(run.fields), tokenizer=own)
    # The large tier's tokens may lie outside the student's table; how long a pass takes does not depend on which.
    pieces = Tokenizer.from_file(str(own)).get_vocab_size()
    shown = [replace(item, ids=item.ids % pieces) for item in examples]
    return measure(network, shown, recipe.loop, large.special_tokens(own).pad, run.device)


def measure(
    network: nn.Module, examples: Sequence[Example], settings: LoopSettings, pad: int, device: torch.device
) -> Rate:
    """Time a few batches of the first epoch, spread from the smallest to the largest; the network is thrown away."""
    network.to(device).train()
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=0.0)
    batches = epoch_batches([len(item.ids) for item in examples], [False] * len(examples), settings, 0)
    batches.sort(key=lambda batch: len(batch) * max(len(examples[index].ids) for index in batch))
    places = [round((len(batches) - 1) * (number + 1) / (PROBES + 1)) for number in range(PROBES)]
    tokens, training, forward = 0, 0.0, 0.0
    for number, place in enumerate([places[0], *places]):
        batch = collate([examples[index] for index in batches[place]], pad)
        ids, mask = batch.input_ids.to(device), batch.attention_mask.to(device)
        started = time.perf_counter()
        with autocast(device):
            logits = network(ids, mask)
        hard_loss(logits.float().cpu(), batch, None).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _settled(device)
        between = time.perf_counter()
        with torch.inference_mode(), autocast(device):
            network(ids, mask)
        _settled(device)
        if number:
            tokens += ids.numel()
            training += between - started
            forward += time.perf_counter() - between
    return Rate(training / tokens, forward / tokens)


def _settled(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
