"""Figures of rules on labelled documents, against counts made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import beta

from gateway.evaluation.dataset import LabelledDocument
from gateway.tiers.rules import RulesTier
from gateway.tiers.rules.examples import run_examples
from gateway.tiers.rules.measure import Count, measure, render_figures, unknown_labels
from tests.gateway.tiers.rules.conftest import TASK, Bench

RULES = r"""
- {id: labelled, kind: anchor, label: TOTAL, priority: 2, precision: 0.75}
- {id: any, kind: pattern, pattern: '\d+\.\d\d', priority: 1}
- {id: dead, kind: pattern, pattern: 'NEVER'}
"""
DOCUMENTS = [
    LabelledDocument("right", "1.00 TOTAL 2.00", {"total": "RM 2.00"}),
    LabelledDocument("wrong", "1.00 TOTAL 2.00", {"total": "1.00"}),
    LabelledDocument("unlabelled rule", "3.00", {"total": "3"}),
    LabelledDocument("nothing found", "nothing", {"total": "4.00"}),
    LabelledDocument("not annotated", "TOTAL 9.00", {}),
    LabelledDocument("null", "TOTAL 9.00", {"total": None}),
]


def test_each_rule_is_measured_alone_and_where_it_leads(bench: Bench) -> None:
    bench.rules("total", RULES)
    # Where null means "not annotated" it says nothing of the rules.
    unannotated = replace(TASK.fields["total"], null_means="unannotated")
    tier = RulesTier.load(bench.path, replace(TASK, fields={**TASK.fields, "total": unannotated}))
    total = measure(tier, DOCUMENTS)["total"]
    assert total.documents == 4
    counts = {source: (rule.alone, rule.best) for source, rule in total.rules.items()}
    assert counts == {
        "total/labelled": (Count(2, 1), Count(2, 1)),
        "total/any": (Count(3, 2), Count(1, 1)),
        "total/dead": (Count(0, 0), Count(0, 0)),
    }
    assert total.best == Count(3, 2)
    report = total.as_json()
    assert report["coverage"] == 0.75
    assert report["rules"]["total/labelled"]["stated"] == 0.75
    assert report["rules"]["total/dead"]["precision"] is None


def test_a_rule_counts_where_its_unless_lets_it_be_tried(bench: Bench) -> None:
    bench.rules(
        "total",
        r"""
        - {id: labelled, kind: anchor, label: TOTAL, priority: 2}
        - {id: any, kind: pattern, pattern: '\d+\.\d\d', unless: [labelled]}
        - {id: word, kind: pattern, pattern: 'TOTAL (?P<value>\d+)', unless: [labelled]}
        - {id: never, kind: pattern, pattern: 'x', unless: [labelled, any]}
        - {id: both, kind: agreement, priority: -1, of: [labelled, any, word], unless: [any]}
        """,
    )
    documents = [
        LabelledDocument("the label answers", "1.00 TOTAL 2.00", {"total": "2.00"}),
        LabelledDocument("it is wrong", "1.00 TOTAL 2.00", {"total": "1.00"}),
        LabelledDocument("no label", "3.00", {"total": "3.00"}),
        LabelledDocument("other field", "3.00", {"date": "2020-01-01"}),
    ]
    total = measure(bench.load(), documents)["total"]
    assert {source: (rule.tried, rule.alone.found, rule.alone.right) for source, rule in total.rules.items()} == {
        "total/both": (2, 0, 0),
        "total/labelled": (3, 2, 1),
        "total/any": (1, 1, 1),
        "total/word": (1, 0, 0),
        "total/never": (0, 0, 0),
    }
    assert (total.dead, total.never_tried) == (["total/word", "total/never", "total/both"], ["total/never"])
    table = render_figures([total])
    assert "never found anything: total/word, total/both\n" in f"{table}\n"
    assert "always found something: total/never" in table
    assert total.as_json()["rules"]["total/any"]["tried"] == 1


def test_labels_of_no_field_are_told(bench: Bench) -> None:
    documents = [LabelledDocument(str(number), "x", {"totl": "1", "total": "1"}) for number in range(3)]
    documents.append(LabelledDocument("other", "x", {"sum": None}))
    assert unknown_labels(TASK, documents) == {"totl": 3, "sum": 1}


def test_a_value_where_the_label_says_absent_is_wrong(bench: Bench) -> None:
    bench.rules("total", RULES)
    total = measure(bench.load(), DOCUMENTS)["total"]
    assert (total.documents, total.best) == (5, Count(4, 2))


def test_with_closed_labels_a_value_where_none_is_labelled_is_wrong(bench: Bench) -> None:
    bench.rules("total", RULES)
    tier = RulesTier.load(bench.path, replace(TASK, closed_labels=True))
    total = measure(tier, DOCUMENTS)["total"]
    assert (total.documents, total.best) == (6, Count(5, 2))


def test_every_item_of_a_many_field_counts(bench: Bench) -> None:
    bench.rules("items", "- {id: food, kind: pattern, pattern: 'CAKE|PIE|TART'}")
    documents = [LabelledDocument("one", "cake, pie, tart", {"items": ["CAKE", "Tart"]})]
    assert measure(bench.load(), documents)["items"].best == Count(3, 2)


def test_figures_go_on_from_others(bench: Bench) -> None:
    bench.rules("total", RULES)
    tier = bench.load()
    whole = measure(tier, DOCUMENTS)
    parts = measure(tier, DOCUMENTS[3:], measure(tier, DOCUMENTS[:3]))
    assert parts == whole


@pytest.mark.parametrize(("found", "right"), [(10, 10), (10, 7), (57, 34), (3, 0)])
def test_the_interval_is_clopper_and_pearson_s(found: int, right: int) -> None:
    low = beta.ppf(0.025, right, found - right + 1) if right else 0.0
    high = beta.ppf(0.975, right + 1, found - right) if right < found else 1.0
    assert Count(found, right).interval() == pytest.approx((low, high), abs=1e-9)


def test_nothing_found_says_nothing_about_precision() -> None:
    assert (Count().precision, Count().interval()) == (None, (0.0, 1.0))


def test_the_table_shows_every_rule(bench: Bench) -> None:
    bench.rules("total", RULES)
    table = render_figures([measure(bench.load(), DOCUMENTS)["total"]])
    assert [line.split()[0] for line in table.splitlines()] == [
        "total:", "rule", "total/labelled", "total/any", "total/dead", "best", "never", "total/labelled",
    ]  # fmt: skip
    assert "1 of 3" in table
    assert "0.333" in table


def test_examples_run_on_the_rule_alone_and_compare_by_value(bench: Bench) -> None:
    bench.rules(
        "total",
        r"""
        - {id: first, kind: pattern, pattern: '\d+[.,]\d\d', priority: 2}
        - id: second
          kind: pattern
          pattern: '\d+\.\d\d$'
          unless: [first]
          examples:
            - {text: "1.00 2.00", value: "RM 2,00"}
            - {text: "1.00 2.00", value: "1.00"}
            - {text: "2,00", value: null}
            - {text: "2.00", value: null}
            - {text: "none", value: "2.00"}
        - {id: both, kind: agreement, examples: [{text: "1.00", value: null}]}
        """,
    )
    results = list(run_examples(bench.load()))
    assert [(result.source, result.found, result.passed) for result in results] == [
        ("total/second", "2.00", True),
        ("total/second", "2.00", False),
        ("total/second", None, True),
        ("total/second", "2.00", False),
        ("total/second", None, False),
        ("total/both", None, True),
    ]
