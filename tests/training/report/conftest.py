from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.certificates import TaskCertificate
from gateway.policy import AbsentThreshold, Policy, Threshold, TierEstimate, all_chains, chain_name
from training.report import RunReport

#: What a field may be called where nobody looks; and what must never become markup.
HOSTILE = "<script>alert('x')</script>|$a$&\"\x00\ud800"


def score(f1: float | None) -> dict[str, Any]:
    """A score of an evaluation."""
    interval = None if f1 is None else [f1 - 0.02, min(1.0, f1 + 0.02)]
    intervals = dict.fromkeys(("precision", "recall", "f1"), interval)
    return {"precision": f1, "recall": f1, "f1": f1, "intervals": intervals}


def system(f1: float | None, fields: list[str]) -> dict[str, Any]:
    """A system as an evaluation writes it."""
    scores = {"micro": score(f1), "fields": {name: score(f1) for name in fields}}
    return {
        "available": True,
        "documents": 20,
        "failures": 0,
        "scores": {"strict": scores, "normalised": scores},
        "cost": {"cpu_seconds_per_document": 0.0123, "amount_per_document": 1e-6, "by_tier": {}, "currency": "USD"},
        "speed": {"documents_per_second": 100.0, "median_ms": 12.5, "p95_ms": 20.0},
        "decisions": {
            "share_accepted": 0.875,
            "accepted_present": {"judged": 40, "errors": 1, "error": 0.025, "interval": [0.0006, 0.1316]},
        },
        "escalation": {"requests": {"rules": 1.0, "student": 0.5, "large": 0.1}, "fields": {}, "by_field": {}},
    }


def make_report(names: list[str], **changes: Any) -> RunReport:
    """A run in which everything was measured."""
    reliability = [
        {"name": name, "count": 20, "error": 0.05, "brier": 0.1, "log_loss": 0.3,
         "bins": [{"confidence": 0.5, "right": 0.4, "low": 0.1, "high": 0.7, "count": 20}]}
        for name in ("student score", "student combined", "all combined")
    ]  # fmt: skip
    curve = [
        {"kind": kind, "name": name, "certified": kind == "target" and name == "0.9", "cost": cost,
         "large_share": 0.1, "accepted_share": 0.9, "selective_error": error, "right_share": 0.95}
        for kind, name, cost, error in (
            ("tier", "rules", 0.001, 0.1), ("tier", "large", 1.0, 0.02), ("threshold", "0.5", 0.3, 0.05),
            ("threshold", "0.9", 0.5, None), ("target", "0.9", 0.4, 0.03), ("target", "0.99", 0.9, None),
            ("oracle", "oracle", 0.2, 0.0))
    ]  # fmt: skip
    history = [
        {"epoch": 1, "loss": 2.0, "seconds": 10.0, "f1": {"micro": 80.0}},
        {"epoch": 2, "loss": 9.0, "seconds": 11.0, "undone": 1.0},
        {"epoch": 2, "loss": 0.5, "seconds": 12.0, "f1": {"micro": 92.5}},
    ]
    values: dict[str, Any] = {
        "task": "bills",
        "command": "cascade train bills --data bills.jsonl",
        "created": "2026-01-02T03:04:05+00:00",
        "fields": {name: {"type": "text", "many": False, "quality": 0.9} for name in names},
        "hardware": {"cpu": "A CPU", "cores": 2, "torch": "2.9", "python": "3.11"},
        "stage_seconds": {"large": 600.0, "student": 300.0},
        "training_hours": 0.25,
        "data": {
            "path": "bills.jsonl",
            "sha256": "0" * 64,
            "parts": {"train": 100, "validation-seen": 20},
            "groups": {"train": 50, "validation-seen": 10},
            "fields": {name: {"train": {"present": 90, "absent": 10, "values": 90}} for name in names},
            "unlabelled": 40,
        },
        "check": {
            "documents": 120,
            "lengths": {"characters": {"median": 100, "p95": 200, "most": 300}},
            "fields": {},
            "findings": [
                {"code": "D040", "severity": "warning", "field": names[0], "count": 3, "message": "3 values",
                 "remedy": "Correct them."}
            ],
        },
        "alignment": {name: {"exact": 90, "missing": 1} for name in names},
        "bases": {"tiny": {"licence": "Apache-2.0", "hub": None}},
        "large": {"history": history},
        "student": {
            "history": history,
            "examples": 140,
            "parameters": 1234567,
            "export": {
                "parity": 1e-5,
                "f1_float": 91.0,
                "f1_int8": 90.9,
                "bytes_float": 4 << 20,
                "bytes_int8": 1 << 20,
            },
        },
        "calibration": {"documents": 20, "created": "then", "reliability": reliability, "curve": curve},
        "validation": {
            "validation-seen": {
                "documents": 20,
                "groups": 10,
                "systems": {
                    "rules": system(0.9, names),
                    "student": {"available": False, "problem": "no model"},
                    "large": system(None, names),
                    "cascade": system(0.95, names),
                },
                "comparison": {"cost_of_always_large": {"value": 0.2, "interval": [0.1, 0.3]}},
            }
        },
    }  # fmt: skip
    return RunReport(**{**values, **changes})


def make_policy(names: list[str], created: str = "then") -> Policy:
    """One certified and one uncertified target a field."""
    absent = AbsentThreshold(0.9, 10, 0, 0.26)
    targets = {
        0.9: Threshold(0.625, True, 90, 1, 100, 0.05, absent=absent),
        0.99: Threshold(0.75, False, 80, 1, 100, 0.06, labels_needed=2270),
    }
    chains = [chain_name(chain) for chain in all_chains()]
    whole = {"default": TaskCertificate(target=0.9, fields=1, accepted=90, errors=1, documents=100, labels_needed=300)}
    return Policy(
        "bills",
        thresholds={chain: dict.fromkeys(names, targets) for chain in chains},
        estimates={"rules": TierEstimate(0.001, 1e-6), "student": TierEstimate(0.0, 1e-4, 4000)},
        whole=dict.fromkeys(chains, whole),
        about={"calibration": {"documents": 100}, "created": created, "hardware": {"cpu": "A CPU", "cores": 2}},
    )


def write_run(directory: Path, names: list[str], **changes: Any) -> Path:
    """Everything that card and page are made from, and files that count among the models'."""
    directory.mkdir(parents=True)
    make_report(names, **changes).save(directory)
    make_policy(names).save(directory / "policy.json")
    recipe = "sources: ['Invented bills: <b>nobody''s</b>.']\nlarge: {base: tiny, rank: 8}\n"
    (directory / "recipe.yaml").write_text(recipe, "utf-8")
    (directory / "forms.json").write_text(json.dumps({"version": 1}), "utf-8")
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_run(tmp_path / "bills", ["shop", "total"])
