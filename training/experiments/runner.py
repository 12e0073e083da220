"""Doing the runs of an experiment: those that are not done yet, each claimed, timed and written down at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gateway.errors import TrainingDiverged
from gateway.evaluation.provenance import hardware, versions
from training.experiments.digests import short
from training.experiments.jobs import Job, Pace, Skipped
from training.experiments.ledger import append_row, claim, key_of, read_rows
from training.experiments.running import Bench
from training.outlook import Outlook, words

#: What a row says of how a run ended.
DONE, DIVERGED, SKIPPED = "done", "diverged", "skipped"


@dataclass(frozen=True)
class Plan:
    """The runs of an experiment that are left, by key, and the CPU seconds each is likely to take.

    ``context``: a digest of what all of them share. ``waiting``: runs whose settings follow from others' results, with
    the settings that they would have without them.
    """

    experiment: str
    task: str
    left: dict[str, Job]
    seconds: dict[str, float]
    total: int
    context: str = ""
    waiting: tuple[tuple[Job, float], ...] = ()

    def describe(self) -> str:
        """A few lines for people: how many runs and how long, by variant."""
        by_variant: dict[str, list[float]] = {}
        for key, job in self.left.items():
            by_variant.setdefault(job.variant, []).append(self.seconds[key])
        for job, seconds in self.waiting:
            by_variant.setdefault(f"{job.variant} (waits)", []).append(seconds)
        lines = [
            f"  {variant:48} {len(items):3} runs, about {words(sum(items))}" for variant, items in by_variant.items()
        ]
        whole = sum(map(sum, by_variant.values()))
        done = self.total - len(self.left) - len(self.waiting)
        head = f"{self.experiment} on {self.task}: {done} of {self.total} runs are done"
        return "\n".join([head, *lines, f"  all together about {words(whole)} of one core's time, from timed batches"])


def make_plan(experiment: str, task: str, jobs: Sequence[Job], out: Path, pace: Pace, context: str = "") -> Plan:
    """What is left to do, and how long that is likely to take.

    Args:
        context: a digest of what all runs share: material, code, and what was asked for.
    """
    done = {row["key"] for row in read_rows(out)}
    keyed = {
        key_of(experiment, task, job.variant, job.seed, {**job.settings, "context": context}): job
        for job in jobs
        if job.ready
    }
    left = {key: job for key, job in keyed.items() if key not in done}
    seconds = {key: job.seconds(pace) for key, job in left.items()}
    waiting = tuple((job, job.seconds(pace)) for job in jobs if not job.ready)
    return Plan(experiment, task, left, seconds, len(jobs), context, waiting)


def do(
    plan: Plan,
    bench: Bench,
    out: Path,
    work: Path,
    *,
    command: str,
    budget_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Do what a plan has left; returns how many runs this process did.

    A run that another process has claimed is left to it. With a budget no run is begun that would probably exceed it,
    by how much longer than estimated the runs before it took. A student that diverges at every rate is a result too,
    and gets a row without figures; so does a run that cannot be made here, with a note that says why.
    """
    outlook = Outlook(clock=clock)
    outlook.expect(plan.seconds)
    started, count, expected, taken = clock(), 0, 0.0, 0.0
    log = work / f"{plan.experiment}.log"
    with tqdm(total=len(plan.left), desc=plan.experiment, unit="run", mininterval=1) as progress:
        for key, job in plan.left.items():
            probable = plan.seconds[key] * max(1.0, taken / expected if expected else 1.0)
            if budget_seconds is not None and clock() - started + probable > budget_seconds:
                tqdm.write(f"the budget leaves no time for {job.variant} of seed {job.seed}; call again to go on")
                break
            with claim(work / "claims", key) as mine:
                # Another process may have done it since the plan was made.
                if not mine or key in {row["key"] for row in read_rows(out)}:
                    outlook.skip(key)
                    progress.update()
                    continue
                outlook.begin(key)
                begun = clock()
                progress.set_postfix_str(f"{job.variant} seed {job.seed}, {outlook.left(0.0)}")
                bench.remaining = _shown(progress, outlook, job)
                with _quietly(log):
                    row = _run(job, bench)
                outlook.end(key)
                expected, taken = expected + plan.seconds[key], taken + clock() - begun
                append_row(out, {**_about(plan, key, job, command), **row})
                count += 1
                progress.update()
    bench.remaining = None
    return count


def _run(job: Job, bench: Bench) -> dict[str, Any]:
    try:
        return {**job.work(bench), "outcome": DONE}
    except TrainingDiverged:
        return {"outcome": DIVERGED}
    except Skipped as reason:
        tqdm.write(f"{job.variant} of seed {job.seed} is left out: {reason}")
        return {"outcome": SKIPPED, "note": str(reason)}


def _about(plan: Plan, key: str, job: Job, command: str) -> dict[str, Any]:
    machine = hardware()
    return {
        "experiment": plan.experiment,
        "task": plan.task,
        "variant": job.variant,
        "seed": job.seed,
        "key": key,
        "context": plan.context,
        "digest": short(job.settings, plan.context),
        "settings": dict(job.settings),
        "cpu": machine["cpu"],
        "cores": machine["cores"],
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "versions": versions(),
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _shown(progress: tqdm, outlook: Outlook, job: Job) -> Callable[[float], str]:
    def remaining(share: float) -> str:
        left = outlook.left(min(1.0, share))
        progress.set_postfix_str(f"{job.variant} seed {job.seed} {share:.0%}, {left}")
        return left

    return remaining


@contextlib.contextmanager
def _quietly(log: Path) -> Iterator[None]:
    """Lines and bars of single trainings go to a log, so that the bar over all runs can be read."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as stream,
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        yield
