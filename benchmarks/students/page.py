"""The table of docs/students.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.students.runs import CRF
from benchmarks.summary import placed, table
from gateway.files import write_text

PAGE = Path(__file__).parents[2] / "docs" / "students.md"
#: Tokens of the text that is timed beside the documents themselves.
TOKENS = 128


def write_page(result: Mapping[str, Any]) -> None:
    """Put the table between the page's markers."""
    write_text(PAGE, placed(PAGE, "students", render(result))[1])


def render(result: Mapping[str, Any]) -> str:
    """The table of docs/students.md."""

    def score(row: Mapping[str, Any], measure: str) -> str:
        found = row["scores"].get(measure)
        if found is None:
            return "–"
        low, high = found["interval"] or (float("nan"), float("nan"))
        return f"{found['f1']:.1f} [{low:.1f}, {high:.1f}]"

    def above(row: Mapping[str, Any]) -> str:
        found = row["scores"]["normalised"]
        low, high = found["above_crf_interval"] or (float("nan"), float("nan"))
        return f"{found['above_crf']:+.1f} [{low:+.1f}, {high:+.1f}]"

    lines = []
    for name, row in result["systems"].items():
        is_crf = name == CRF
        seconds = row["seconds_to_train"]
        lines.append(
            [
                "conditional random field" if is_crf else f"`{name}`",
                "–" if is_crf else f"{row['parameters'] / 1e6:.1f} M",
                f"{row['bytes'] / 1e6:.1f} MB",
                f"{row['milliseconds_a_document']:.2f}",
                "–" if is_crf else f"{row[f'milliseconds_{TOKENS}_tokens']:.2f}",
                score(row, "normalised"),
                score(row, "span"),
                "–" if is_crf else above(row),
                f"{statistics.mean(seconds) if isinstance(seconds, list) else seconds:.0f}",
            ]
        )
    header = [
        "student",
        "parameters",
        "file",
        "ms a document",
        f"ms for {TOKENS} tokens",
        "normalised F1",
        "span F1",
        "above the random field",
        "seconds to train",
    ]
    documents, machine = result["documents"], result["hardware"]
    taught = "labels and a teacher's probabilities" if result["teacher"] else "labels alone"
    return (
        table(header, lines)
        + f"\n\nTask `{result['task']}`: {documents['train']} documents to train on, {documents['development']} of the"
        f" development part to judge by (95 % intervals over {documents['groups']} groups); {taught},"
        f" {result['epochs']} epochs, seeds {', '.join(map(str, result['seeds']))}. int8 on one thread,"
        f" {documents['timed']} documents one at a time, all in turn; {machine['cpu']}, {machine['cores']} cores, load"
        f" {result['load_average'][0]}. Made by `{result['command']}`."
    )
