"""Plain data about a run's documents, fields and calibration: numbers and names, no text of documents."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.evaluation.curve import curve
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values
from gateway.evaluation.reliability import Reliability, before_and_after
from gateway.evaluation.replay import Recorded
from gateway.evaluation.split import Split
from gateway.policy import Policy
from gateway.task import TaskSpec
from training.data.check import CheckReport

#: Findings whose message quotes labels.
_QUOTES = frozenset({"D012"})
_DIGITS = 6


def field_descriptions(task: TaskSpec) -> dict[str, dict[str, Any]]:
    """Field → its type, whether it is ``many``, and the quality it is asked for."""
    asked = task.qualities()
    return {
        name: {"type": field.type, "many": field.many, "quality": asked[name]} for name, field in task.fields.items()
    }


def data_facts(
    path: Path | str,
    sha256: str,
    documents: Sequence[LabelledDocument],
    split: Split,
    task: TaskSpec,
    *,
    unlabelled: int = 0,
    unlabelled_path: Path | str | None = None,
    unlabelled_sha256: str | None = None,
) -> dict[str, Any]:
    """Where the documents come from, how they are divided, and how many of each part have which field.

    Args:
        documents: all labelled ones.
        unlabelled: how many unlabelled ones were used.
    """
    part_of = {identifier: part for part, ids in split.parts.items() for identifier in ids}
    counts: dict[str, dict[str, Counter[str]]] = {
        name: {part: Counter() for part in split.parts} for name in task.fields
    }
    for document in documents:
        part = part_of.get(document.id)
        if part is None:
            continue
        for name, found in counts.items():
            expected = expected_values(task, document, name)
            how = "unannotated" if expected is None else "present" if expected else "absent"
            found[part][how] += 1
            found[part]["values"] += len(expected or ())
    return {
        "path": str(path),
        "sha256": sha256,
        "parts": {part: len(ids) for part, ids in split.parts.items()},
        "groups": {part: len({split.groups.get(one, one) for one in ids}) for part, ids in split.parts.items()},
        "grouped_by": list(split.about.get("grouped_by", ())),
        "without_part": sum(document.id not in part_of for document in documents),
        "fields": {
            name: {part: dict(counter) for part, counter in by_part.items()} for name, by_part in counts.items()
        },
        "unlabelled": unlabelled,
        "unlabelled_path": None if unlabelled_path is None else str(unlabelled_path),
        "unlabelled_sha256": unlabelled_sha256,
    }


def check_facts(report: CheckReport) -> dict[str, Any]:
    """What ``cascade data check`` found, without examples and quoted labels."""
    raw = report.as_json()
    findings = []
    for finding in raw["findings"]:
        kept = {key: finding[key] for key in ("code", "severity", "field", "count", "remedy")}
        kept["message"] = None if finding["code"] in _QUOTES else finding["message"]
        findings.append(kept)
    fields = {}
    for name, found in raw["fields"].items():
        kept = {key: found[key] for key in ("documents", "values", "different", "most_in_a_document")}
        fields[name] = {**kept, "suggested": found["suggested"]["type"]}
    return {"documents": raw["documents"], "lengths": raw["lengths"], "fields": fields, "findings": findings}


def calibration_facts(task: TaskSpec, policy: Policy, items: Sequence[Recorded]) -> dict[str, Any]:
    """How stated probabilities came true before and after combining, and what each way of answering costs and reaches,
    on the calibration documents."""
    points = curve(task, policy, items)
    return {
        "documents": len(items),
        "created": policy.about.get("created"),
        "reliability": [_reliability(found) for found in before_and_after(task, policy, items)],
        "curve": [
            {
                "kind": point.kind,
                "name": point.name,
                "certified": point.certified,
                **_rounded(dataclasses.asdict(point.tally)),
                "accepted_share": round(point.tally.accepted_share, _DIGITS),
                "selective_error": _round(point.tally.selective_error),
                "right_share": round(point.tally.right_share, _DIGITS),
            }
            for point in points
        ],
    }


def _reliability(found: Reliability) -> dict[str, Any]:
    raw = dataclasses.asdict(found)
    raw["bins"] = [_rounded(one) for one in raw["bins"]]
    return _rounded(raw)


def _rounded(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _round(value) for key, value in raw.items()}


def _round(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value
