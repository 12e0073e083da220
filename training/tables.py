"""Tables of cards and pages: shares with intervals, rows of evaluated systems, and Markdown that nothing breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: How labels were found in their texts, strictest way first.
WAYS = ("given", "inside", "exact", "value", "folded", "fuzzy", "missing")


#: The heading of :func:`system_row`.
SYSTEM_HEADER = ("system", "F1", "F1 strict", "accepted", "wrong among accepted", "reach large", "CPU ms", "median ms")


def system_row(name: str, system: Mapping[str, Any]) -> list[str]:
    """One system of an evaluation as the cells of a table."""
    if not system.get("available"):
        return [name, f"not run: {system.get('problem')}", *[""] * (len(SYSTEM_HEADER) - 2)]
    scores, decisions = system["scores"], system["decisions"]
    wrong, cost, speed = decisions["accepted_present"], system["cost"], system["speed"]
    return [
        name,
        with_interval(scores["normalised"]["micro"]["f1"], scores["normalised"]["micro"]["intervals"]["f1"]),
        percent(scores["strict"]["micro"]["f1"]),
        percent(decisions["share_accepted"]),
        f"{with_interval(wrong['error'], wrong['interval'])} ({wrong['errors']} of {wrong['judged']})",
        percent(system["escalation"]["requests"].get("large")),
        "–" if cost is None else f"{1000 * cost['cpu_seconds_per_document']:.2f}",
        "–" if speed is None else f"{speed['median_ms']:.2f}",
    ]


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """A share in percent, with its interval."""
    if value is None or interval is None:
        return percent(value)
    low, high = interval
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def percent(value: float | None) -> str:
    """A share in percent; a dash where it is not defined."""
    return "–" if value is None else f"{100 * value:.1f} %"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; what would break it is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(plain(cell) for cell in line) + " |" for line in lines)


def plain(value: Any) -> str:
    """Any value as Markdown text on one line: markup in it is shown, and what UTF-8 cannot hold is replaced."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def code(value: Any) -> str:
    """Any value as a code span."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"
