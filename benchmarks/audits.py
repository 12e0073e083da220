"""The measured part of docs/audit.md, from the committed result files; benchmarks/summary.py writes it.

Results that an older form of a benchmark wrote are not shown: they measured other alarms than those of the service.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DRIFT = "python benchmarks/drift.py --out benchmarks/results/drift.json --csv benchmarks/results/drift.csv"
SHIFT = "python benchmarks/shift.py --data ../shared/data/receipts --out benchmarks/results/shift.json"
RESULTS = Path(__file__).parent / "results"
_TRAFFIC = {
    "reshuffled": "the same mix (calibration and validation-seen parted anew)",
    "seen": "validation-seen, against the calibration part as it is",
    "unseen": "merchants not seen before (validation-unseen)",
    "foreign": "receipts of other countries",
}
#: Of the many delays of drift.json, those shown.
_DRIFTS: dict[str, tuple[tuple[float, float], ...]] = {
    "person": ((0.06, 1.0), (0.1, 0.01), (0.1, 0.05), (0.1, 0.1), (0.2, 0.01), (0.2, 0.05), (0.2, 0.1))
}
_DRIFTS["large"] = ((0.1, 1.0), (0.2, 0.05), (0.2, 0.1), (0.2, 1.0))


def _load(name: str, key: str) -> dict[str, Any] | None:
    """A result file that has ``key``."""
    path = RESULTS / name
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found if key in found else None


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def drift(found: dict[str, Any]) -> str:
    """How soon a rise of errors is noticed, and how often falsely."""
    by_key = {(row["judge"], row["drift"], row["audited"], row["system"]): row for row in found["delays"]}
    rows = []
    for judge, shown in _DRIFTS.items():
        for rise, share in shown:
            row = by_key.get((judge, rise, share, "service"))
            if row is not None:
                rows.append(
                    [
                        *(judge, _percent(rise), _percent(share), _percent(row["noticed"] or 0.0)),
                        *(_delay(row, "audits"), _delay(row, "answers")),
                    ]
                )
    header = ["judge", "wrong, %", "audited, %", "noticed, % of runs", "audits until noticed", "answers until noticed"]
    promise, alarm = found["promise"], found["alarm"]
    false = []
    for row in found["false_alarms"]:
        shares = row["false_alarms"]
        false.append(
            [
                *(row["judge"], _percent(row["error"]), f"{row['audits']:,}", _percent(shares["for-ever"])),
                *(_percent(shares["service"]), _percent(shares["window"]), _percent(shares["cusum"])),
            ]
        )
    peers = ["judge", "wrong, %", "audits", "first alarm, %", "either, %", "window of 100, %", "CUSUM, %"]
    return (
        f"**Drift** (simulated). Promise: {_percent(1 - promise['limit'])} of 100 right;"
        f" {_percent(promise['usual_error'])} % wrong for {found['history_answers']:,} answers, then more, for"
        f" {found['horizon_answers']:,}. The test of one field of a task of {alarm['fields']}: its share of"
        f" {alarm['task']['alpha']:g} and of {alarm['task']['run_length']:,.0f} audits is"
        f" {alarm['test']['alpha']:g} and {alarm['test']['run_length']:,.0f}. The large tier disagrees with 3 % of the"
        " right and 85 % of the wrong answers, and measured on 125 documents its limit is"
        f" {_percent(promise['limit_of_large'])} %. Median (and 90 % quantile) of the delays, – where so many runs did"
        f" not notice.\n\n{_table(header, rows)}\n\nFalse doubts while the promise is kept, beside two alarms of usual"
        f" dashboards:\n\n{_table(peers, false)}\n\n`{found['command']}`"
    )


def _delay(row: dict[str, Any], unit: str) -> str:
    median, late = (row[f"{name}_{unit}"] for name in ("median", "p90"))
    return f"{_whole(median)} ({_whole(late)})"


def _whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def traffic(found: dict[str, Any]) -> str:
    """How soon a change of traffic is noticed, and what is accepted of documents that the guarantee does not mean."""
    rows, peers = [], "peer: windows of 50, Kolmogorov-Smirnov at 5 %"
    for name, words in _TRAFFIC.items():
        row = found["results"][name]
        at = row["alpha 0.05"]
        late = "" if not at["noticed_share"] else f"{at['median_documents_when_noticed']:g}"
        late = late and f"{late} ({at['p90_documents_when_noticed']})"
        shares = (_percent(at["noticed_share"]), late, _percent(row[peers]["noticed_share"]))
        rows.append([words, str(row["documents"]), *shares, next(iter(row["leading_signal"]))])
    header = [
        *("traffic", "documents", "noticed, % of orders", "documents until noticed"),
        *("windows of 50, %", "leading signal"),
    ]
    kept = []
    for name, row in found["accepted_with_guarantee"].items():
        kept.append(
            [
                *(name, str(row["documents"]), str(row["filtered"]), str(row["documents_with_any"])),
                *(str(row["documents_with_all"]), _percent(row["fields_share"])),
            ]
        )
    columns = ["documents", "looked at", "filtered", "any field accepted", "all accepted", "fields accepted, %"]
    return (
        f"**Traffic**: receipts, the {found['reference_documents']} of the calibration part as reference, in"
        f" {found['results']['seen']['alpha 0.05']['runs']} random orders, at 5 %. Median (and 90 % quantile)."
        f"\n\n{_table(header, rows)}\n\nWhat the cascade accepts **with a guarantee**, at the task's own targets. The"
        " guarantee does not speak of receipts of other countries, and stands on their answers all the same:"
        f" that is what a shift is to be noticed for.\n\n{_table(columns, kept)}\n\n`{found['command']}`"
    )


def real(found: dict[str, Any]) -> str:
    """Audits of real answers by their labels."""
    rows = []
    for part, streams in found["results"].items():
        for name, row in streams.items():
            if row is None:
                continue
            median, most = row["median_audits_until_doubt"], row["most_audits_until_doubt"]
            rows.append(
                [
                    *(part, name, str(row["documents_a_run"]), str(row["audits_a_run"]), _percent(row["wrong_share"])),
                    *(f"{row['in_doubt']} of {row['runs']}", "–" if median is None else f"{median:g} ({most})"),
                    ", ".join(row["fields"]) or "–",
                ]
            )
    header = [
        *("documents", "read", "documents a run", "audits a run", "wrong, %"),
        *("in doubt", "audits until then: median (most)", "fields"),
    ]
    return (
        "**Real answers.** A running service, receipts sent in random orders, every accepted answer judged by its"
        f" label. First as they are, then with {_percent(found['misread_digits'])} % of the digits misread for ones"
        " that look alike while the labels stay; a stream ends with the first doubt. The promise covers the mix of"
        f" known and new merchants, not new ones alone.\n\n{_table(header, rows)}\n\n`{found['command']}`"
    )


def render() -> str:
    """All that was measured."""
    drifting, shifting = _load("drift.json", "alarm"), _load("shift.json", "accepted_with_guarantee")
    blocks = [drift(drifting) if drifting else _missing("How soon drift is noticed", DRIFT)]
    audited = _load("real-audits.json", "results")
    if audited:
        blocks.append(real(audited))
    blocks.append(traffic(shifting) if shifting else _missing("How soon other traffic is noticed", SHIFT))
    return "\n\n".join(blocks)


def _missing(what: str, command: str) -> str:
    return f"{what}, and how often falsely, has not been measured for these tests yet: `{command}`"
