"""The measured part of docs/serving.md, from the committed result files; benchmarks/summary.py writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
#: Result file of each overload to what its documents need.
OVERLOADS = {
    "serving-overload-rules.json": "rules alone, 1 worker",
    "serving-overload-student.json": "student, 2 workers",
    "serving-overload.json": "mix, 5 % to the large tier, 2 workers",
}
CASES = {
    "bare": "bare FastAPI route",
    "light": "gateway, one cheap rule",
    "rules": "gateway, the receipts' rules",
    "p=0": "gateway, none reaches the large tier",
    "p=0.05": "gateway, 5 % reach the large tier",
    "p=0.2": "gateway, 20 %",
    "p=1": "gateway, 100 %",
    "always-large": "the large tier alone",
    "student": "gateway, documents for the student",
    "pipeline": "FastAPI and a transformers pipeline",
}
#: Ratio in the result to what it is, its aim, and whether it must be at least that.
AIMS: dict[str, tuple[str, float, bool]] = {
    "light_rules_over_bare": ("requests a second over the bare route, one cheap rule", 0.8, True),
    "rules_over_bare": ("the same, the receipts' rules", 0.8, True),
    "light_added_p99_ms_at_100_per_second": (
        "ms added at the 99th percentile, 100 requests/s, one cheap rule",
        1.0,
        False,
    ),
    "rules_added_p99_ms_at_100_per_second": ("the same, the receipts' rules", 1.0, False),
    "student_over_pipeline": ("student over the transformers pipeline", 5.0, True),
    "cascade_p5_over_always_large": ("cascade at 5 % over always asking the large tier", 10.0, True),
}
#: Aims for a minute of overload, in shares of the capacity, and for seconds until all is well again.
SERVED_AIM, RECOVERY_AIM = 0.95, 5.0
#: Requests of garbage to be sent.
GARBAGE_AIM = 100_000
#: Memory that may come and go, in MiB.
_FLAT_MIB = 32.0


def _load(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    if not path.is_file():
        return None
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(header), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _verdict(value: float, aim: float, *, least: bool) -> list[str]:
    met = value >= aim if least else value <= aim
    return [f"{'≥' if least else '≤'} {aim:g}", f"{value:.3g}", _met(met)]


def _latency(found: dict[str, Any], name: str = "latency_ms") -> str:
    times = found.get(name)
    return "–" if times is None else f"{_number(times['p50'])} / {_number(times['p99'])}"


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _statuses(found: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in found["statuses"].items())


def throughput(found: dict[str, Any]) -> str:
    """Requests a second and latency by share escalated, beside the peers; and the aims."""
    closed, paced = found["closed_loop"], found["open_loop_100"]
    rows = [
        [
            meaning,
            _number(closed[name]["answered_per_second"]),
            " to ".join(_number(rate) for rate in closed[name]["range_per_second"]),
            _latency(closed[name]),
            f"{closed[name]['cpu_ms_per_request']:.3g}",
            _latency(paced[name]) if name in paced else "",
        ]
        for name, meaning in CASES.items()
        if name in closed
    ]
    header = [
        "",
        "requests/s",
        "range",
        "ms, median / p99",
        "CPU ms a request",
        "ms at 100 requests/s, median / p99",
    ]
    aims = [
        [meaning, *_verdict(found["ratios"][name], aim, least=least)]
        for name, (meaning, aim, least) in AIMS.items()
        if name in found["ratios"]
    ]
    return (
        "**Throughput**, all systems in turn, median round. Documents are real receipts: the latency of a closed loop"
        " is that of waiting behind its other connections.\n\n"
        + _table(header, rows)
        + "\n\n"
        + _table(["aim", "wanted", "measured", ""], aims)
        + f"\n\n`{found['command']}`"
    )


def overloads(found: dict[str, dict[str, Any]]) -> str:
    """A minute of ten times what the service can do."""
    rows = []
    for name, meaning in OVERLOADS.items():
        if name not in found:
            continue
        result = found[name]
        before, after = (result["capacity"][when]["answered_per_second"] for when in ("before", "after"))
        during, memory = result["overload"], result["memory_mib"]
        share = result["served_share_of_capacity"]
        rows.append(
            [
                meaning,
                f"{_number(before)} / {_number(after)}",
                _number(result["offered_per_second"]),
                _number(during["answered_per_second"]),
                f"{share:.2f}, {_met(share >= SERVED_AIM)}",
                _latency(during, "refused_ms"),
                _statuses(during),
                f"{memory['first']:.0f} to {memory['most']:.0f}",
            ]
        )
    header = [
        "documents",
        "capacity before / after, /s",
        "asked for, /s",
        "served, /s",
        f"share of capacity (aim {SERVED_AIM:g})",
        "refused after ms, median / p99",
        "answers",
        "memory, MiB",
    ]
    commands = "\n".join(f"`{found[name]['command']}`  " for name in OVERLOADS if name in found).rstrip()
    return (
        "**Ten times overload for a minute.** Where models do the work, a share above 1 means that cheap requests were"
        " served and dear ones refused.\n\n" + _table(header, rows) + "\n\n" + commands
    )


def kills(found: dict[str, Any]) -> str:
    """Processes killed under load, and SIGTERM."""
    rows = []
    for name, meaning in (
        ("worker", "kill −9 of a worker"),
        ("inference", "kill −9 of the inference process"),
        ("sigterm", "SIGTERM"),
    ):
        result = found[name]
        seconds = result.get("recovered_seconds")
        lost = result["statuses"].get("lost", 0) + result["statuses"].get("timed-out", 0)
        rows.append(
            [
                meaning,
                f"{result['requests']:,}",
                _statuses(result),
                str(result["degraded"]),
                str(lost),
                "–" if seconds is None else f"{seconds:.1f}",
            ]
        )
    header = ["", "requests", "answers", "of those degraded", "lost", "seconds until all is as before"]
    return (
        "**Processes that die**, 2 workers, 20 requests a second. `not-connected` came after the end of the service:"
        " nobody has taken those.\n\n" + _table(header, rows) + f"\n\n`{found['command']}`"
    )


def remote(found: dict[str, Any]) -> str:
    """A real language model as the remote large tier, and what happens when its server fails."""
    faults = {name: one for name, one in found["faults"].items() if "recovery_seconds" in one}
    rows = [
        [
            name,
            str(one["answered"]),
            ", ".join(f"{count} {status}" for status, count in one["status"].items()),
            f"{one['seconds_median']:.2f} / {one['seconds_most']:.1f}",
            "never" if one["recovery_seconds"] is None else f"{one['recovery_seconds']:.1f}",
        ]
        for name, one in faults.items()
    ]
    whole, worst = found["faults"]["all"], found["recovered_within_seconds"]
    answered = found["every_request_answered"]
    return (
        f"**A remote large tier that fails**: {found['model']['file']} behind {found['model']['server']}; deadline"
        f" {found['settings']['deadline_seconds']:g} s. {whole['answered']} of {whole['sent']} requests were answered"
        f" ({_met(answered)}); the longest recovery took {'–' if worst is None else f'{worst:.1f}'} s (aim"
        f" {RECOVERY_AIM:g}, {_met(worst is not None and worst <= RECOVERY_AIM)}).\n\n"
        + _table(
            [
                "fault, 20 s",
                "answered",
                "status",
                "seconds, median / most",
                "seconds until the tier answers again",
            ],
            rows,
        )
        + f"\n\n`{found['command']}`"
    )


def garbage(found: dict[str, Any]) -> str:
    """Mixed garbage."""
    defects = sum(count for status, count in found["statuses"].items() if status.startswith("5"))
    before, after = found["before"], found["after"]
    return (
        f"**Garbage**: {found['requests']:,} requests (aim {GARBAGE_AIM:,}), of those {defects} answered 5xx,"
        f" {len(found['bad'])} in another"
        f" shape than the one. Memory {before['memory_mb']:.0f} to {after['memory_mb']:.0f} MB, file descriptors"
        f" {before['file_descriptors']} to {after['file_descriptors']}, threads {before['threads']} to"
        f" {after['threads']}.\n\n`{found['command']}`"
    )


def soak(found: dict[str, Any]) -> str:
    """A long mixed load."""
    first, last = found["tenths"][0], found["tenths"][-1]
    usage = found["usage"]
    hours = sum(tenth["requests"] for tenth in found["tenths"]) / found["rate"] / 3600
    growth = found["growth_mib"]
    return (
        f"**{hours:.1f} hours of mixed load**, {found['rate']:g} requests a second: {_statuses(found['whole'])},"
        f" {found['whole']['degraded']} degraded. Memory {usage[0]['memory_mib']:.0f} to"
        f" {usage[-1]['memory_mib']:.0f} MiB"
        f" ({growth:+.1f} after the first tenth, {_met(growth <= _FLAT_MIB)}), file handles {usage[0]['handles']} to"
        f" {usage[-1]['handles']}; ms, median / p99, {_latency(first)} in the first tenth and {_latency(last)} in the"
        f" last.\n\n`{found['command']}`"
    )


def render() -> str:
    """The text between the markers, of what has been measured."""
    blocks: list[str] = []
    measured = {name: result for name in OVERLOADS if (result := _load(name)) is not None}
    if (result := _load("serving-throughput.json")) is not None:
        machine, versions = result["hardware"], result["versions"]
        blocks.append(
            f"On {machine['cpu']}, {machine['cores']} cores, which the load generator shares;"
            f" Python {versions['python']}, onnxruntime {versions['onnxruntime']}."
        )
        blocks.append(throughput(result))
    if measured:
        blocks.append(overloads(measured))
    for name, block in (
        ("serving-kill.json", kills),
        ("remote-large.json", remote),
        ("garbage.json", garbage),
        ("serving-soak.json", soak),
    ):
        if (result := _load(name)) is not None:
            blocks.append(block(result))
    return "\n\n".join(blocks)
