import json
import math

import pytest

from gateway.cascade import Extraction, FieldResult
from gateway.cost import Cost
from gateway.document import Candidate
from gateway.evaluation.bootstrap import GroupBootstrap
from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.report import build_report
from gateway.evaluation.systems import Record, SystemRun
from gateway.evaluation.table import align, render
from gateway.extraction import Outcome
from gateway.inference.base import TierStatus

SCRIPT = {
    "student": {
        "a": {"item": [("pen", 0.95), ("ink", 0.9)], "total": [("9.00", 0.7)]},
        "b": {"item": [("cup", 0.5)]},
        "c": {"total": [("5.00", 0.6)]},
    },
    "large": {
        "a": {"item": [("pen", 0.9), ("ink", 0.9)], "total": [("9.00", 0.9)]},
        "b": {"item": [("cup", 0.9)], "total": [("8.00", 0.9)]},
        "c": {"total": [("5.00", 0.9)], "item": [("x", 0.2)]},
    },
}


@pytest.fixture
def report(run, task, documents):
    def make(script=SCRIPT, labelled=documents, groups=("m", "m", "n"), **more):
        runs = run(labelled, script, **more)
        return build_report(task, labelled, runs, GroupBootstrap(groups))

    return make


def counts(score):
    return score["true_positives"], score["false_positives"], score["false_negatives"]


def test_scores(report):
    systems = report()["systems"]
    rules = systems["rules"]["scores"]["normalised"]
    # Rules: a's total right, b's wrong, c's missed; no items, three of them expected.
    assert counts(rules["fields"]["total"]) == (1, 1, 2)
    assert counts(rules["fields"]["item"]) == (0, 0, 3)
    assert counts(rules["micro"]) == (1, 1, 5)
    assert rules["micro"]["precision"] == 0.5
    assert rules["micro"]["f1"] == pytest.approx(2 / 8)
    assert rules["fields"]["item"]["precision"] is None
    assert counts(systems["rules"]["scores"]["strict"]["micro"]) == (0, 2, 6)
    # The best candidate counts whether accepted or in review: c's total is the student's at .6 until large confirms it.
    assert counts(systems["cascade"]["scores"]["normalised"]["fields"]["total"]) == (2, 1, 1)
    low, high = rules["micro"]["intervals"]["f1"]
    assert low <= rules["micro"]["f1"] <= high
    assert "span" not in systems["rules"]["scores"]


def test_span_scores_where_the_data_has_spans(report, task):
    labelled = [
        LabelledDocument("a", "TOTAL 9.00 pen ink", {"total": "9.00"}, {"total": [(6, 10)]}),
        LabelledDocument("b", "TOTAL 7.00 cup", {"total": "7.00"}, {"total": [(6, 9)]}),
    ]
    systems = report(labelled=labelled, groups=("m", "n"), systems=("rules",))["systems"]
    assert counts(systems["rules"]["scores"]["span"]["micro"]) == (1, 1, 1)
    assert counts(systems["rules"]["scores"]["strict"]["micro"]) == (2, 0, 0)


def test_cost_and_speed(report):
    systems = report()["systems"]
    student = systems["student"]["cost"]
    assert student["currency"] == "EUR"
    assert student["cpu_seconds_per_document"] == pytest.approx(0.01)
    assert student["amount_per_document"] == pytest.approx(0.005)
    assert list(student["by_tier"]) == ["student"]
    cascade = systems["cascade"]["cost"]
    assert list(cascade["by_tier"]) == ["rules", "student", "large"]
    # Two of three documents reach large.
    assert cascade["by_tier"]["large"]["cpu_seconds_per_document"] == pytest.approx(0.2 / 3)
    total = sum(tier["amount_per_document"] for tier in cascade["by_tier"].values())
    assert cascade["amount_per_document"] == pytest.approx(total)
    assert systems["rules"]["speed"]["documents_per_second"] > 0
    assert systems["rules"]["speed"]["median_ms"] <= systems["rules"]["speed"]["p95_ms"]


def test_decisions(report):
    decisions = report()["systems"]["cascade"]["decisions"]
    assert decisions["statuses"] == {"complete": 2, "review": 1, "degraded": 0}
    assert (decisions["answers"], decisions["accepted"]) == (6, 5)
    # Accepted: a's total and items, b's items and its total, which the rules have wrong, and c's total.
    assert decisions["fields"]["total"]["accepted"] == 3
    assert decisions["fields"]["total"]["accepted_present"]["judged"] == 3
    assert decisions["fields"]["total"]["accepted_present"]["errors"] == 1
    assert decisions["fields"]["item"]["accepted_present"]["judged"] == 2
    low, high = decisions["accepted_present"]["interval"]
    assert low < decisions["accepted_present"]["error"] < high
    assert decisions["accepted_absent"] == {"judged": 0, "errors": 0, "error": None, "interval": None}


def test_what_is_not_annotated_is_accepted_but_not_judged(report, documents):
    script = {**SCRIPT, "large": {**SCRIPT["large"], "c": {"total": [("5.00", 0.9)], "item": [("x", 0.9)]}}}
    item = report(script)["systems"]["cascade"]["decisions"]["fields"]["item"]
    assert (item["accepted"], item["accepted_present"]["judged"]) == (3, 2)


def test_accepted_absence_is_judged_apart_and_what_is_in_review_not_at_all(task, documents):
    def outcome(state, *values):
        found = tuple(Candidate(value, value, value, ((0, 1),), 0.9, "test") for value in values)
        result = FieldResult(state, found, "rules", 0.9, 0.9)
        nothing = FieldResult("review", (), None, 0.0, None, many=True)
        extraction = Extraction({"total": result, "item": nothing}, "review", ("rules",), (), {}, {})
        return Record(Outcome("notes", None, extraction, Cost(0.0, "EUR", None, {}), {"total": 0.1}, {}))

    absent = LabelledDocument("d", "", {"total": None})
    labelled = [*documents, absent, absent]
    records = (
        outcome("accepted", "9.00"),
        outcome("review", "7.00"),  # wrong, but in review
        outcome("accepted"),  # wrong: there is a total
        outcome("accepted"),
        outcome("accepted", "1.00"),  # wrong: there is none
    )
    whole = build_report(task, labelled, {"rules": SystemRun("rules", records)}, GroupBootstrap(list("abcde")))
    decisions = whole["systems"]["rules"]["decisions"]["fields"]["total"]
    assert (decisions["answers"], decisions["accepted"]) == (5, 4)
    present, absent = decisions["accepted_present"], decisions["accepted_absent"]
    assert (present["judged"], present["errors"], present["error"]) == (2, 1, 0.5)
    assert (absent["judged"], absent["errors"], absent["error"]) == (2, 1, 0.5)
    assert absent["interval"] == pytest.approx(clopper_pearson(1, 2))


def test_escalation(report):
    escalation = report()["systems"]["cascade"]["escalation"]
    assert escalation["requests"] == {"rules": 1.0, "student": 1.0, "large": pytest.approx(2 / 3)}
    # All three items and c's total go to the student; b's items, c's items and c's total on to large.
    assert escalation["fields"]["student"] == pytest.approx(4 / 6)
    assert escalation["fields"]["large"] == pytest.approx(3 / 6)
    assert escalation["by_field"]["total"]["student"] == pytest.approx(1 / 3)


def test_comparison(report):
    comparison = report()["comparison"]
    assert comparison["s"]["value"] == pytest.approx(0.1)
    assert comparison["s"]["interval"] == pytest.approx([0.1, 0.1])
    assert comparison["p"]["value"] == pytest.approx(2 / 3)
    # Rules take next to nothing: student everywhere, large in two of three.
    assert comparison["cost_of_always_large"]["value"] == pytest.approx(0.1 + 2 / 3, abs=0.05)
    difference = comparison["cascade_less_best_tier"]["normalised"]
    assert difference["best"] == "large"
    systems = report()["systems"]
    gap = (
        systems["cascade"]["scores"]["normalised"]["micro"]["f1"]
        - systems["large"]["scores"]["normalised"]["micro"]["f1"]
    )
    assert difference["value"] == pytest.approx(gap)
    low, high = difference["interval"]
    assert low <= difference["value"] <= high


def test_the_share_of_always_large_is_estimated_from_the_policy_where_large_was_not_run(report):
    comparison = report(systems=("student", "cascade"))["comparison"]
    assert comparison["s"] is comparison["cost_of_always_large"] is None
    # a did not reach large, which is estimated at .2 s; b and c are measured at .1 s.
    estimated = comparison["cost_of_always_large_estimated"]
    assert estimated == pytest.approx((0.01 * 3 + 0.1 * 2) / (0.2 + 0.1 * 2), abs=0.05)
    assert report(systems=("rules",))["comparison"]["p"] is None


def test_a_failed_document_counts_as_nothing_found_and_is_named(report, unavailable):
    script = {**SCRIPT, "student": {**SCRIPT["student"], "a": unavailable}}
    student = report(script)["systems"]["student"]
    assert student["failures"] == [{"id": "a", "code": "tier-unavailable", "message": "student: out of order"}]
    assert counts(student["scores"]["normalised"]["fields"]["item"]) == (1, 0, 2)
    assert student["cost"]["cpu_seconds_per_document"] == pytest.approx(0.01)
    assert student["decisions"]["answers"] == 4


def test_all_documents_failed(report, unavailable):
    whole = report({**SCRIPT, "student": dict.fromkeys("abc", unavailable)})
    student = whole["systems"]["student"]
    assert (student["cost"], student["speed"]) == (None, None)
    assert whole["comparison"]["s"] is None
    assert rendered(whole).count("3 of 3 documents failed") == 1


def rendered(report):
    heading = {
        "task": "notes",
        "quality": 0.9,
        "quality_by_field": {"total": 0.9, "items": 0.95},
        "data": {"part": None, "documents": 3, "groups": 2},
        "bootstrap": {"level": 0.95, "resamples": 2000},
    }
    return render({**heading, **report})


def test_the_json_holds_no_number_json_does_not_know(report, unavailable):
    for script in (SCRIPT, {"student": dict.fromkeys("abc", unavailable)}, {}):
        whole = report(script, groups=("m", "m", "m"))
        assert json.loads(json.dumps(whole, allow_nan=False)) == whole


def test_the_table_shows_what_the_json_holds(report):
    text = rendered(report(statuses={"student": TierStatus("s"), "large": TierStatus(None, "no model here")}))
    assert "large: not run (no model here)" in text
    lines = text.splitlines()
    rules = next(line for line in lines if line.startswith("rules"))
    assert rules.split()[:2] == ["rules", "all"]
    assert "25.0" in rules  # normalised F1
    assert rules.split()[-3:] == ["1", "1", "5"]
    assert any(line.startswith("p, share of requests that reach large: 0.0 %") for line in lines)
    assert any("cascade less" in line and "normalised" in line for line in lines)
    assert not any(line != line.rstrip() for line in lines)


def test_a_system_that_was_not_run_stands_beside_the_others(report):
    whole = report(statuses={"student": TierStatus("s"), "large": TierStatus(None, "no model here")})
    assert whole["systems"]["large"] == {"available": False, "problem": "no model here"}
    assert whole["comparison"]["s"] is None
    none = report(statuses={}, systems=("student",))
    assert "student: not run (no model)" in rendered(none)


def test_columns_are_aligned():
    lines = align([["name", "n", "x"], ["a", "10", "1"], ["longer", "5", ""]])
    assert lines == ["name     n  x", "a       10  1", "longer   5"]


def test_intervals_are_over_groups(report):
    apart = report(groups=("m", "n", "o"))["systems"]["rules"]["scores"]["normalised"]["micro"]["intervals"]["f1"]
    together = report(groups=("m", "m", "m"))["systems"]["rules"]["scores"]["normalised"]["micro"]["intervals"]["f1"]
    assert together is None
    assert all(math.isfinite(edge) for edge in apart)
