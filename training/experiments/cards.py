"""Summaries of experiments, and the parts of cards that are rendered from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, DatasetError
from gateway.files import write_json, write_text
from training.experiments.jobs import Experiment, Summary
from training.experiments.ledger import Row, read_rows
from training.experiments.plateau import EPOCHS, FAMILY

NOT_MEASURED = "Not measured yet."


#: What the intervals of an experiment cover: differences of pairs, or the constants and predictions of a fit.
PAIRED = "95 %, paired, over seeds and judged documents"
RESAMPLED = "95 %, percentiles of fits to runs resampled by size and share of the data"


def summarise(experiment: Experiment, rows: list[Row], *, newest: bool = False) -> Summary:
    """What an experiment's rows say, task by task, and what they were made on.

    Args:
        newest: leave out rows of other settings, data or code than the newest; otherwise they are refused.

    Raises:
        DatasetError: there are none, or they were made under different conditions.
    """
    own = [row for row in rows if row["experiment"] == experiment.name]
    if not own:
        raise DatasetError(f"no runs of the experiment {experiment.name} are written down")
    tasks = list(dict.fromkeys(row["task"] for row in own))
    written = len(own)
    own = [row for task in tasks for row in of_one_kind([row for row in own if row["task"] == task], newest=newest)]
    return {
        "about": {
            "experiment": experiment.name,
            "what": experiment.about,
            "intervals": RESAMPLED if experiment.name == "scaling" else PAIRED,
            "judged_on": "development part and withheld documents of the training part",
            "runs": len(own),
            "left_out": written - len(own),
            "contexts": _different(own, "context"),
            "commands": _different(own, "command"),
            "cpus": _different(own, "cpu"),
            "cores": _different(own, "cores"),
            "threads": _different(own, "threads"),
            "versions": [json.loads(text) for text in _different(own, "versions")],
            "seeds": sorted({int(row["seed"]) for row in own}),
            "highest_load": max(float(row["load"]) for row in own),
        },
        "tasks": {task: experiment.summarise([row for row in own if row["task"] == task]) for task in tasks},
    }


def of_one_kind(rows: list[Row], *, newest: bool) -> list[Row]:
    """Rows of one context, and for each variant of one digest; with ``newest`` those of the row that ended last.

    Raises:
        DatasetError: there are several, and ``newest`` is not set.
    """
    for column, names in (("context", ("task",)), ("digest", ("task", "variant"))):
        last: dict[tuple[str, ...], str] = {}
        for row in sorted(rows, key=lambda row: row["finished"]):
            group = tuple(row[name] for name in names)
            if last.get(group, row[column]) != row[column] and not newest:
                raise DatasetError(
                    f"{row['experiment']} on {' '.join(group)}: runs of different settings, data or code"
                    f" ({column} {last[group]} and {row[column]}); `summarise --newest` takes the newest alone, or move"
                    " the others to another file"
                )
            last[group] = row[column]
        rows = [row for row in rows if row[column] == last[tuple(row[name] for name in names)]]
    return rows


def _different(rows: list[Row], column: str) -> list[str]:
    return sorted({row[column] for row in rows})


def summary_path(results: Path, experiment: Experiment) -> Path:
    """Where an experiment's summary lies."""
    return results / f"{experiment.name}.json"


def ledger_path(results: Path, experiment: Experiment) -> Path:
    """Where an experiment's runs are written down unless told otherwise."""
    return results / f"{experiment.name}.csv"


def write_summary(experiment: Experiment, ledger: Path, results: Path, *, newest: bool = False) -> Summary:
    """Read the runs of an experiment and write its summary."""
    summary = summarise(experiment, read_rows(ledger), newest=newest)
    write_json(summary_path(results, experiment), summary)
    return summary


def rendered(experiment: Experiment, results: Path, show: Callable[[Summary], str]) -> str:
    """What a page says of an experiment: task by task, or that nothing was measured."""
    path = summary_path(results, experiment)
    if not path.is_file():
        return NOT_MEASURED
    summary: dict[str, Any] = json.loads(path.read_text("utf-8"))
    about = summary["about"]
    parts = [f"On `{task}`:\n\n{show(found)}" for task, found in summary["tasks"].items()]
    threads = " and ".join(about["threads"])
    if about["left_out"]:
        parts.append(f"{about['left_out']} runs of other settings, data or code are left out.")
    parts.append(
        f"{about['what'].capitalize()}. {_trained(results)} Judged on the {about['judged_on']};"
        f" {', '.join(about['cpus'])}, {threads} thread"
        f"{'' if threads == '1' else 's'}; intervals: {about['intervals']}. Runs in"
        f" `training/results/{experiment.name}.csv`, commands and versions in `{experiment.name}.json` beside it."
    )
    return "\n\n".join(parts)


def _trained(results: Path) -> str:
    """Where experiments stand on the learning curve."""
    stated = f"Unless said otherwise {FAMILY} for {EPOCHS} epochs"
    path = results / "pilot.json"
    if not path.is_file():
        return f"{stated}; whether that is on the plateau was not measured."
    tasks = json.loads(path.read_text("utf-8"))["tasks"]
    parts = [f"on `{task}` {found['verdict']}" for task, found in tasks.items()]
    return f"{stated}; the plateau by one pilot seed: {'; '.join(parts)}."


def blocks(experiment: Experiment) -> list[tuple[Path, Callable[[Summary], str]]]:
    """The pages that show an experiment, from the project's root, and what each shows."""
    return [(experiment.card, experiment.table), *experiment.also]


def _edges(experiment: Experiment) -> tuple[str, str]:
    return f"<!-- measured: {experiment.name} -->", f"<!-- end: {experiment.name} -->"


def shown(page: str, experiment: Experiment) -> str:
    """The part of a page between an experiment's marks.

    Raises:
        ConfigurationError: the page has no such part.
    """
    first, last = _edges(experiment)
    _, opened, rest = page.partition(first)
    text, closed, _ = rest.partition(last)
    if not (opened and closed):
        raise ConfigurationError(f"the page has no part between {first} and {last}")
    return text.strip("\n")


def update_cards(experiment: Experiment, root: Path, results: Path) -> list[Path]:
    """Put what was measured into the pages that show it; returns those that changed."""
    changed = []
    first, last = _edges(experiment)
    for place, show in blocks(experiment):
        path = root / place
        page = path.read_text("utf-8")
        old, new = shown(page, experiment), rendered(experiment, results, show)
        if old != new:
            before, _, rest = page.partition(first)
            write_text(path, f"{before}{first}\n{new}\n{last}{rest.partition(last)[2]}")
            changed.append(path)
    return changed
