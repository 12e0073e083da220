"""A document that a filter tells apart is answered without any tier."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.document import Document
from gateway.engine import Engine, Request
from gateway.extraction import Outcome
from gateway.home import Home
from gateway.inference.local import LocalInference
from gateway.policy import Policy, TierEstimate
from gateway.telemetry.metrics import Metrics

TASK = "task: bills\nfields:\n  total: {type: money}\n"
FILTERS = "filters:\n  - {id: too-short, kind: length, min_words: 3}\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    (home.rules / "bills").mkdir(parents=True)
    (home.rules / "bills" / "task.yaml").write_text(TASK)
    (home.rules / "bills" / "filters.yaml").write_text(FILTERS)
    (home.rules / "bills" / "total.yaml").write_text(
        "field: total\nrules:\n  - {id: any, kind: pattern, pattern: '\\d+'}\n"
    )
    return home


def extract(home: Home, text: str) -> Outcome:
    async def main() -> Outcome:
        engine = await Engine.open(home, LocalInference(home))
        try:
            return await engine.extract(engine.tasks["bills"], Request(Document(text)))
        finally:
            await engine.close()

    return asyncio.run(main())


def test_a_filtered_document_asks_no_tier(home: Home) -> None:
    outcome = extract(home, "TOTAL 9")
    assert (outcome.extraction.tiers, outcome.extraction.status, outcome.cost.amount) == ((), "review", 0.0)
    answer = outcome.as_json()
    assert answer["filtered"]["id"] == "too-short"
    assert "2 words" in answer["filtered"]["reason"]
    assert answer["fields"]["total"]["state"] == "review"
    assert not answer["fields"]["total"]["present"]


def test_another_document_passes(home: Home) -> None:
    answer = extract(home, "THE TOTAL IS 9").as_json()
    assert "filtered" not in answer
    assert answer["fields"]["total"]["present"]


def test_answers_name_the_filters_that_chose_the_documents(home: Home) -> None:
    before = extract(home, "THE TOTAL IS 9").versions["filters"]
    path = home.rules / "bills" / "filters.yaml"
    path.write_text(FILTERS.replace("min_words: 3", "min_words: 4"))
    assert extract(home, "THE TOTAL IS 9").versions["filters"] != before
    path.unlink()
    assert "filters" not in extract(home, "THE TOTAL IS 9").versions


def test_filtered_documents_and_rules_that_match_are_counted(home: Home) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for text in ("TOTAL 9", "THE TOTAL IS 9", "THE TOTAL IS 10"):
        with metrics.request() as record:
            record.task = "bills"
            record.answer(extract(home, text))
    assert registry.get_sample_value("cascade_filtered_total", {"task": "bills", "filter": "too-short"}) == 1
    assert registry.get_sample_value("cascade_rule_matches_total", {"task": "bills", "rule": "total/any"}) == 2


def test_a_filtered_document_saves_nothing_and_a_long_one_not_more_than_can_be_read(home: Home) -> None:
    home.models.joinpath("bills").mkdir(parents=True)
    Policy("bills", estimates={"large": TierEstimate(1.0, 0.001)}).save(home.models / "bills" / "policy.json")
    filtered = extract(home, "TOTAL 9").cost
    assert (filtered.amount, filtered.always_large) == (0.0, 0.0)
    usual, long, junk = (extract(home, "a bill " * times).cost.always_large for times in (100, 10_000, 85_000))
    assert usual is not None
    assert junk is not None
    assert long == junk
    assert usual < junk < 20 * usual
