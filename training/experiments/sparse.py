"""SWAT on a small student: F1 at each sparsity, what a training step costs, and how fast the student answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gateway.tiers.large.network import FieldTagger
from training.device import autocast
from training.examples import Batch, Example, collate
from training.experiments.jobs import Experiment, Job, Options, Pace, Summary, by_seed, plain_job
from training.experiments.ledger import Row, number
from training.experiments.material import Material
from training.experiments.plateau import EPOCHS, LARGER_FAMILY
from training.experiments.running import Bench, Figures, Setting
from training.experiments.serving import answer_times, exported
from training.experiments.tables import compared, interval, markdown, points, runs, times
from training.loop import epoch_batches
from training.losses import hard_loss
from training.methods.hooks import Hooks, Progress
from training.methods.registry import make_hooks
from training.methods.swat.accounting import count_saved

DENSE = "dense"
SEEDS = 5
SPARSITIES = (50, 70, 80, 90)
#: Unstructured sparsity changes nothing that is computed here: the small grid has these alone.
UNSTRUCTURED = (50, 80)
#: Updates between two choices of channels, and between two thresholds.
PERIODS = {"structured": 50, "unstructured": 10}
#: How much longer than a dense update one of each kind takes, for the estimate alone.
SLOWER = {"unstructured": 1.6, "structured": 0.9}
#: Updates that are timed, the two networks taking turns, after some that are not: a multiple of both periods, so that
#: updates in which something is chosen are there in their share.
ROUNDS, WARM_UP = 100, 2
#: Examples and padded tokens, about, of a timed batch.
TIMED_TOKENS = 800
COSTS = "costs: "
#: Points of F1 that a student may lose.
LIMITS = (0.3, 1.0)
#: Students whose steps are timed, the first of which is trained: what is saved grows with them.
TIMED = (LARGER_FAMILY, "narrow-4x192-seen", "truncated-3")
#: Smaller dense students beside the sparse ones: of about the operations of 50 % and of 70 to 80 % left out.
SMALLER = {"dense, 3x96": "narrow-3x96-seen", "dense, 3x64": "narrow-3x64-seen"}
#: The dense student for a share of the epochs.
SHORTER = {"dense, 50 % of the epochs": 0.5, "dense, 30 % of the epochs": 0.3}


def lines_of(kind: str, sparsity: int, *more: str) -> tuple[str, ...]:
    """The method's line for a share of weights (or channels and heads) left out."""
    options = ["structured", *more, "until=50%"] if kind == "structured" else list(more)
    return (" ".join(["swat", f"keep={100 - sparsity}%", *options, f"period={PERIODS[kind]}"]),)


def variants(*, full: bool = True) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name to kind and lines."""
    found = [("structured", sparsity) for sparsity in SPARSITIES]
    found += [("unstructured", sparsity) for sparsity in SPARSITIES if full or sparsity in UNSTRUCTURED]
    return {f"{kind} {sparsity} %": (kind, lines_of(kind, sparsity)) for kind, sparsity in found}


def jobs(material: Material, options: Options) -> list[Job]:
    """What a step costs, first; then dense, each variant, smaller dense students and shorter dense trainings with each
    seed. ``--full``: unstructured at every share."""
    known = variants(full=options.full)
    # Minutes that say whether the hours after them are worth it.
    costs_first = [
        _cost_job(material, f"{variant}, {name}", replace(options, family=None).setting(name, EPOCHS, 0, methods=lines))
        for name in ((options.family,) if options.family else TIMED)
        for variant, (kind, lines) in known.items()
        if kind == "structured" or name in (options.family, TIMED[0])
    ]
    found = []
    for seed in options.range(SEEDS):
        found.append(plain_job(material, DENSE, options.setting(LARGER_FAMILY, EPOCHS, seed)))
        for variant, (kind, lines) in known.items():
            setting = options.setting(LARGER_FAMILY, EPOCHS, seed, methods=lines)
            found.append(plain_job(material, variant, setting, slower=SLOWER[kind]))
        for variant, name in SMALLER.items():
            found.append(plain_job(material, variant, replace(options, family=None).setting(name, EPOCHS, seed)))
        for variant, share in SHORTER.items():
            whole = options.setting(LARGER_FAMILY, EPOCHS, seed)
            found.append(plain_job(material, variant, replace(whole, epochs=max(1, round(share * whole.epochs)))))
    return [*costs_first, *by_seed(found)]


def _cost_job(material: Material, variant: str, setting: Setting) -> Job:
    def seconds(pace: Pace) -> float:
        tokens = (ROUNDS + WARM_UP) * TIMED_TOKENS
        return 10.0 + 2 * tokens * pace.training(setting.family, TIMED_TOKENS)

    settings = {**setting.describe(), "rounds": ROUNDS, "tokens": TIMED_TOKENS}
    return Job(COSTS + variant, 0, settings, seconds, lambda bench: costs(bench, setting))


@dataclass
class _Stepper:
    """Makes training updates as the loop does, one batch of documents after another."""

    network: FieldTagger
    hooks: Hooks
    batches: list[list[Example]]
    pad: int
    optimizer: torch.optim.Optimizer
    updates: int = 0

    def step(self) -> None:
        """Collation, forward, backward, clipping and AdamW, and what the method does between; selections in their
        share of a training's updates."""
        position = min(self.updates - WARM_UP, ROUNDS - 1) if self.updates >= WARM_UP else 0
        progress = Progress(position, ROUNDS, self.updates, 1)
        batch = self.batch()
        self.hooks.before_update(progress)
        self.loss(batch).backward()
        self.hooks.after_backward(progress, len(batch.input_ids))
        self.hooks.before_step(progress)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.hooks.after_step(progress)
        self.optimizer.zero_grad(set_to_none=True)
        self.updates += 1

    def batch(self) -> Batch:
        """The next batch."""
        return collate(self.batches[self.updates % len(self.batches)], self.pad)

    def loss(self, batch: Batch) -> torch.Tensor:
        with autocast(torch.device("cpu")):
            logits = self.network(batch.input_ids, batch.attention_mask)
        return hard_loss(logits.float(), batch, None)

    def saved_bytes(self) -> int:
        """Bytes of activations kept between forward and backward pass."""
        with count_saved(self.network) as saved:
            loss = self.loss(self.batch())
        loss.backward()
        self.optimizer.zero_grad(set_to_none=True)
        return saved.total


def _stepper(bench: Bench, setting: Setting, lines: Sequence[str]) -> _Stepper:
    view = bench.material.view(setting.family)
    network = bench.build(setting.family, setting.seed).train()
    hooks = make_hooks(lines)
    hooks.prepare(network)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    hooks.start(network, optimizer)
    examples = view.of(None)
    lengths = [len(example.ids) for example in examples]
    plan = epoch_batches(lengths, [False] * len(examples), replace(setting, methods=()).loop(soft=False), 0)
    batches = [[examples[index] for index in batch] for batch in plan]
    return _Stepper(network, hooks, batches, view.vocabulary.pad, optimizer)


def costs(bench: Bench, setting: Setting) -> Figures:
    """Means of training updates, and medians of served passes, beside the dense student's, which take turns with them;
    and the activations kept for the backward pass, as the method keeps them and packed."""
    dense, sparse = _stepper(bench, setting, ()), _stepper(bench, setting, setting.methods)
    taken = _in_turn([dense.step, sparse.step])
    figures: Figures = {
        "step_ms": round(1e3 * statistics.fmean(taken[1]), 3),
        "step_times_faster": round(statistics.fmean(taken[0]) / statistics.fmean(taken[1]), 3),
        "saved_bytes_share": round(sparse.saved_bytes() / dense.saved_bytes(), 4),
    }
    if "structured" not in setting.methods[0]:
        packed = _stepper(bench, setting, [f"{line} packed" for line in setting.methods])
        # All have seen as many batches, so that all are asked about the same one.
        packed.updates = dense.updates
        figures["packed_bytes_share"] = round(packed.saved_bytes() / dense.saved_bytes(), 4)
    sparse.hooks.finish(sparse.network)
    with exported({"dense": dense.network, "sparse": sparse.network}) as files:
        passes = answer_times(files)
    figures["latency_ms"] = round(statistics.median(passes["sparse"]), 4)
    figures["latency_times_faster"] = round(
        statistics.median(a / b for a, b in zip(passes["dense"], passes["sparse"], strict=True)), 3
    )
    if "structured" in setting.methods[0]:
        figures["note"] = shares_left(dense.network, sparse.network)
    return figures


def shares_left(dense: FieldTagger, sparse: FieldTagger) -> str:
    """What a structured method really left: heads and channels are whole, and their number is rounded up."""
    rows = {
        name: [
            sum(module.weight.shape[0] for part, module in _linear(network) if name in part)
            for network in (dense, sparse)
        ]
        for name in ("query", "intermediate")
    }
    heads, channels = (rows[name] for name in ("query", "intermediate"))
    return f"left: {heads[1] / heads[0]:.0%} of heads, {channels[1] / channels[0]:.0%} of channels"


def _linear(network: FieldTagger) -> list[tuple[str, nn.Linear]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]


def _in_turn(steps: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Seconds of each round of each step: whatever else the machine does hits neighbours alike."""
    taken: list[list[float]] = [[] for _ in steps]
    for round_ in range(WARM_UP + ROUNDS):
        for place, step in enumerate(steps):
            started = time.perf_counter()
            step()
            if round_ >= WARM_UP:
                taken[place].append(time.perf_counter() - started)
    return taken


#: What a cost row says.
_MEASURED = ("step_times_faster", "saved_bytes_share", "packed_bytes_share", "latency_times_faster")


def summarise(rows: Sequence[Row]) -> Summary:
    """Each variant beside the dense student, and what steps cost for each size of student."""
    timed: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["variant"].startswith(COSTS):
            found = {column: value for column in _MEASURED if (value := number(row, column)) is not None}
            timed[row["variant"].removeprefix(COSTS)] = {**found, "note": row["note"]}
    trained = [row for row in rows if not row["variant"].startswith(COSTS)]
    return {"reference": DENSE, "variants": compared(trained, DENSE), "costs": timed}


def table(summary: Summary) -> str:
    """One line a variant, and one line for each student and variant that was timed."""
    rows = [[variant, *_cells(variant, found)] for variant, found in summary["variants"].items()]
    header = ["training", "runs", "F1", "difference (95 %)", "lost at most", "operations", "CPU time of training"]
    steps = [
        [
            variant,
            times(found.get("step_times_faster")),
            _share(found.get("saved_bytes_share")),
            _share(found.get("packed_bytes_share")),
            times(found.get("latency_times_faster")),
            found["note"],
        ]
        for variant, found in summary["costs"].items()
    ]
    costs_header = ["student", "an update faster", "activations kept", "packed", "answers faster (int8 ONNX)", "left"]
    return (
        f"{markdown(header, rows)}\n\nOperations of unstructured ones are nominal: hardware that skips zeros would make"
        " them, this one does not. Losses are those that the interval excludes.\n\nUpdates are timed with collation,"
        f" clipping and selections, means of {ROUNDS}, beside dense ones that take turns with them; bytes are those of"
        " activations kept for the backward pass (weights are masked again there and take none).\n\n"
        f"{markdown(costs_header, steps)}"
    )


def _cells(variant: str, found: dict[str, Any]) -> list[str]:
    operations = times(found.get("flops_ratio"))
    return [
        runs(found),
        points(found.get("f1")),
        interval(found.get("f1_difference")),
        _verdict(found.get("lost_at_most")),
        f"{operations} (nominal)" if variant.startswith("unstructured") and operations else operations,
        times(found.get("cpu_seconds_ratio")),
    ]


def _verdict(lost: dict[str, bool] | None) -> str:
    """The smallest of the losses asked about that is not exceeded."""
    if lost is None:
        return ""
    return next((f"{limit:g}" for limit in LIMITS if lost[f"{limit:g}"]), "not shown")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


SPARSE = Experiment(
    "swat",
    f"sparse training at 50 to 90 %, structured and not, beside dense ({LARGER_FAMILY})",
    jobs,
    summarise,
    table,
    Path("training/methods/swat/CARD.md"),
)
