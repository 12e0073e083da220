"""Audits of real answers: what is sent, and what is told of it."""

import json
import random
from pathlib import Path

from benchmarks import audits
from benchmarks.real_audits import ALIKE, Stream, misread, summary


def test_only_digits_are_misread_and_only_for_like_ones() -> None:
    text = "TOTAL RM 12.30, 05/06/2018"
    assert misread(text, 0.0, random.Random(0)) == text
    worst = misread(text, 1.0, random.Random(0))
    assert len(worst) == len(text)
    for before, after in zip(text, worst, strict=True):
        assert after == ALIKE.get(before, before)
    assert all(digit != alike for digit, alike in ALIKE.items())


def test_what_happened_in_all_orders_is_told(tmp_path: Path, monkeypatch) -> None:
    streams = [Stream(60, 200, 10, 150, ["date"]), Stream(20, 100, 20, 90, ["total"]), Stream(64, 250, 2)]
    found = summary(streams)
    assert found is not None
    assert (found["runs"], found["in_doubt"], found["most_audits_until_doubt"]) == (3, 2, 150)
    assert found["median_audits_until_doubt"] == 120
    assert found["wrong_share"] == round(32 / 550, 4)
    assert found["fields"] == ["date", "total"]
    assert summary([]) is None
    result = {"misread_digits": 0.05, "command": "x", "results": {"validation-seen": {"misread": found, "other": None}}}
    (tmp_path / "real-audits.json").write_text(json.dumps(result), "utf-8")
    monkeypatch.setattr(audits, "RESULTS", tmp_path)
    assert "| validation-seen | misread | 48 | 183.3 | 5.8 | 2 of 3 | 120 (150) | date, total |" in audits.render()
