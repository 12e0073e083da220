"""SWAT on a small student: F1 at each sparsity, what a training step costs, and how fast the student answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gateway.tiers.large.network import FieldTagger
from training.device import autocast
from training.examples import Batch, collate
from training.experiments.jobs import Experiment, Job, Options, Pace, Summary, by_seed, plain_job, tokens_of
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.running import Bench, Figures, Setting
from training.experiments.serving import answer_times
from training.experiments.tables import compared, interval, markdown, mean_of, points, times
from training.losses import hard_loss
from training.methods.hooks import Hooks, Progress
from training.methods.registry import make_hooks
from training.methods.swat.accounting import count_saved

DENSE = "dense"
FAMILY, EPOCHS, SEEDS = "narrow-3x128", 4, 5
SPARSITIES = (50, 70, 80, 90)
#: How much longer than a dense update one of each kind takes, for the estimate alone.
SLOWER = {"unstructured": 1.6, "structured": 0.9}
#: Steps that are timed, the two networks taking turns, after some that are not.
ROUNDS, WARM_UP = 15, 3
COSTS = "costs: "


def lines_of(kind: str, sparsity: int) -> tuple[str, ...]:
    """The method's line for a share of weights (or channels and heads) left out."""
    keep = 100 - sparsity
    if kind == "structured":
        return (f"swat keep={keep}% structured period=50 until=50%",)
    return (f"swat keep={keep}% period=10",)


def variants() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name to kind and lines."""
    return {
        f"{kind} {sparsity} %": (kind, lines_of(kind, sparsity))
        for kind in ("unstructured", "structured")
        for sparsity in SPARSITIES
    }


def jobs(material: Material, options: Options) -> list[Job]:
    """Dense and each variant with each seed, and once each what a step costs. ``--full``: twice the epochs."""
    epochs = 2 * EPOCHS if options.full else EPOCHS
    found = []
    for seed in options.range(SEEDS):
        found.append(plain_job(material, DENSE, options.setting(FAMILY, epochs, seed)))
        for variant, (kind, lines) in variants().items():
            setting = options.setting(FAMILY, epochs, seed, methods=lines)
            found.append(plain_job(material, variant, setting, slower=SLOWER[kind]))
    for variant, (_, lines) in variants().items():
        found.append(_cost_job(material, variant, options.setting(FAMILY, epochs, 0, methods=lines)))
    return by_seed(found)


def _cost_job(material: Material, variant: str, setting: Setting) -> Job:
    def seconds(pace: Pace) -> float:
        tokens = tokens_of(material, setting.family) / max(1, len(material.train)) * 64
        return 20.0 + 4 * (ROUNDS + WARM_UP) * tokens * pace.training(setting.family)

    settings = {**setting.describe(), "rounds": ROUNDS, "data": material.data_digest}
    return Job(COSTS + variant, 0, settings, seconds, lambda bench: costs(bench, setting))


@dataclass
class _Stepper:
    """Makes training steps on one batch, as the loop does."""

    network: FieldTagger
    hooks: Hooks
    batch: Batch
    optimizer: torch.optim.Optimizer
    updates: int = 0

    def step(self) -> None:
        """Forward, backward, AdamW."""
        # Far enough into the training that choices are settled.
        progress = Progress(60 if self.updates else 0, 100, self.updates, 1)
        self.hooks.before_update(progress)
        self.loss().backward()
        self.hooks.after_backward(progress, len(self.batch.input_ids))
        self.hooks.before_step(progress)
        self.optimizer.step()
        self.hooks.after_step(progress)
        self.optimizer.zero_grad(set_to_none=True)
        self.updates += 1

    def loss(self) -> torch.Tensor:
        with autocast(torch.device("cpu")):
            logits = self.network(self.batch.input_ids, self.batch.attention_mask)
        return hard_loss(logits.float(), self.batch, None)

    def saved_bytes(self) -> int:
        """Bytes kept between forward and backward pass."""
        with count_saved(self.network) as saved:
            loss = self.loss()
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
    return _Stepper(network, hooks, collate(view.of(None)[:64], view.vocabulary.pad), optimizer)


def costs(bench: Bench, setting: Setting) -> Figures:
    """Medians of training steps and of served passes beside the dense student's, which take turns with them."""
    dense, sparse = _stepper(bench, setting, ()), _stepper(bench, setting, setting.methods)
    taken = _in_turn([dense.step, sparse.step])
    share = sparse.saved_bytes() / dense.saved_bytes()
    sparse.hooks.finish(sparse.network)
    figures: Figures = {
        "step_ms": round(1e3 * statistics.median(taken[1]), 3),
        "step_times_faster": round(statistics.median(a / b for a, b in zip(*taken, strict=True)), 3),
        "saved_bytes_share": round(share, 4),
    }
    passes = answer_times({"dense": dense.network, "sparse": sparse.network})
    figures["latency_ms"] = round(statistics.median(passes["sparse"]), 4)
    figures["latency_times_faster"] = round(
        statistics.median(a / b for a, b in zip(passes["dense"], passes["sparse"], strict=True)), 3
    )
    return figures


def _in_turn(steps: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Seconds of each round of each step: whatever else the machine does hits neighbours alike."""
    taken: list[list[float]] = [[] for _ in steps]
    for number in range(WARM_UP + ROUNDS):
        for place, step in enumerate(steps):
            started = time.perf_counter()
            step()
            if number >= WARM_UP:
                taken[place].append(time.perf_counter() - started)
    return taken


def summarise(rows: Sequence[Row]) -> Summary:
    """Each variant beside the dense student, with what its steps cost."""
    found = compared([row for row in rows if not row["variant"].startswith(COSTS)], DENSE)
    for variant, figures in found.items():
        for column in ("step_times_faster", "saved_bytes_share", "latency_times_faster"):
            value = mean_of(rows, COSTS + variant, column)
            if value is not None:
                figures[column] = round(value, 3)
    return {"reference": DENSE, "variants": found}


def table(summary: Summary) -> str:
    """One line a variant."""
    rows = [[variant, *_cells(found)] for variant, found in summary["variants"].items()]
    header = ["left out", "runs", "F1", "difference (95 %)", "operations", "step", "bytes saved", "answers (int8 ONNX)"]
    return markdown(header, rows)


def _cells(found: dict[str, Any]) -> list[str]:
    saved = found.get("saved_bytes_share")
    return [
        str(found["runs"]),
        points(found.get("f1")),
        interval(found.get("f1_difference")),
        times(found.get("flops_ratio")),
        times(found.get("step_times_faster")),
        "" if saved is None else f"{saved:.2f}",
        times(found.get("latency_times_faster")),
    ]


SPARSE = Experiment(
    "swat",
    "sparse training at 50 to 90 %, structured and not, beside dense",
    jobs,
    summarise,
    table,
    Path("training/methods/swat/CARD.md"),
)
