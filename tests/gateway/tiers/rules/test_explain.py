"""Why rules find nothing."""

from __future__ import annotations

import pytest

from gateway.tiers.rules.explain import explain_document
from tests.gateway.tiers.rules.conftest import Bench


@pytest.mark.parametrize(
    ("field", "rule", "text", "kind", "line", "says"),
    [
        ("total", "kind: pattern, pattern: '9.00'", "8.00", "evidence", None, "pattern not found"),
        (
            "total",
            "kind: pattern, pattern: '9.00', lines: {first: 1}",
            "8.00\n9.00",
            "evidence",
            2,
            "outside the first 1 lines",
        ),
        ("date", r"kind: pattern, pattern: '[\d/]+'", "on\n45/45/2018", "refused", 2, "'45/45/2018' is no date"),
        ("total", "kind: pattern, pattern: '9.00', validate: {max: 5}", "9.00", "refused", 1, "above the most, 5"),
        (
            "total",
            "kind: pattern, pattern: '9.00', forbid: {line: QTY}",
            "QTY 9.00",
            "context",
            1,
            "forbidden by line, which has 'QTY'",
        ),
        (
            "total",
            "kind: pattern, pattern: '9.00', require: {previous: SUM}",
            "TAX\n9.00",
            "context",
            2,
            "require.previous does not match 'TAX'",
        ),
        (
            "total",
            "kind: pattern, pattern: '9.00', require: {document: RM}",
            "9.00",
            "document",
            None,
            "require.document",
        ),
        (
            "total",
            r"kind: pattern, pattern: '9.00', require: {document: '^\d{3,4}\s?{{money}}'}",
            "9.00",
            "document",
            None,
            r"nowhere in the text: '^\d{3,4}\s?{{money}}'",
        ),
        ("total", r"kind: pattern, pattern: '9.00', after: 'S\d'", "9.00", "scope", None, r"in the text: 'S\d'"),
        ("shop", r"kind: block, start: NR, contain: '\d{3}'", "x\nNR 1", "evidence", 2, r"does not contain '\d{3}'"),
        ("total", "kind: pattern, pattern: '9.00', forbid: {document: QTY}", "9.00\nqty", "document", 2, "'qty'"),
        (
            "total",
            "kind: pattern, pattern: '9.00', after: SUM",
            "9.00",
            "scope",
            None,
            "after is not found in the text",
        ),
        ("total", "kind: anchor, label: TOTAL", "SUM 9.00", "evidence", None, "label not found"),
        (
            "total",
            "kind: anchor, label: TOTAL",
            "SUM\nTOTAL\n9.00",
            "value",
            2,
            "'TOTAL' found, but no value on its line",
        ),
        ("total", "kind: anchor, label: TOTAL, reach: 1", "TOTAL\nx\n9.00", "value", 1, "or on the 1 lines below"),
        ("total", "kind: anchor, label: TOTAL, forbid: {line: GST}", "TOTAL GST 9.00", "context", 1, "'GST'"),
        (
            "shop",
            "kind: position, lines: {first: 2}, skip: 'A|B'",
            "A\nB\nC",
            "evidence",
            None,
            "the first 2 lines are all skipped",
        ),
        (
            "shop",
            r"kind: position, lines: {first: 2}, pattern: '\d'",
            "A\n1",
            "evidence",
            1,
            "first line that is not skipped, 'A'",
        ),
        ("shop", "kind: block, start: NR, contain: '5'", "x\nNR 1", "evidence", 2, "does not contain '5'"),
        ("shop", "kind: block, start: NR, until: NR", "NR 1", "evidence", 1, "until leaves nothing"),
        ("shop", "kind: block, start: NR", "x", "evidence", None, "start not found"),
        (
            "shop",
            "kind: lookup, file: shops.csv, lines: {first: 1}",
            "Town Shop",
            "evidence",
            None,
            "no line of the first 1 lines is an entry",
        ),
        (
            "shop",
            "kind: lookup, file: shops.csv, lines: {first: 1}, fuzzy: 90",
            "Town Shop",
            "evidence",
            None,
            "at least 90 % like one",
        ),
        (
            "shop",
            "kind: lookup, file: shops.csv, match: words",
            "Town Shop",
            "evidence",
            None,
            "no word of the text is an entry",
        ),
        ("total", "kind: balance", "9.00 10.00", "evidence", None, "balance"),
        ("total", "kind: agreement", "9.00", "agreement", None, "fewer than 2 rules agree: none found anything"),
        ("total", "kind: pattern, pattern: '(?:a|a)*b'", "a" * 60 + "!b", "timeout", None, "ran out of time"),
    ],
)
def test_the_reason_says_how_far_a_rule_came(
    bench: Bench, field: str, rule: str, text: str, kind: str, line: int | None, says: str
) -> None:
    bench.write("bills/shops.csv", "text\nCorner Shop\n")
    bench.rules(field, f"- {{id: one, {rule}}}")
    _, found = explain_document(bench.load(), text)
    [explained] = found[field].rules
    assert (found[field].best, explained.candidates) == (None, ())
    reason = explained.reasons[0]
    assert (reason.kind, reason.line) == (kind, line)
    assert says in str(reason)
    assert explained.as_json()["reasons"][0]["kind"] == kind


def test_rules_that_are_not_tried_name_the_one_that_found_something(bench: Bench) -> None:
    bench.rules(
        "total",
        "- {id: one, kind: pattern, pattern: '9.00', priority: 1}\n"
        "- {id: two, kind: pattern, pattern: '.*', unless: [one]}",
    )
    _, found = explain_document(bench.load(), "9.00")
    first, second = found["total"].rules
    assert [candidate.value for candidate in first.candidates] == ["9.00"]
    assert first.reasons == ()
    assert [(reason.kind, "one found something" in reason.message) for reason in second.reasons] == [("unless", True)]


def test_what_comes_nearest_stands_first(bench: Bench) -> None:
    bench.rules("total", "- {id: one, kind: anchor, label: TOTAL, value: '\\S+', forbid: {line: QTY}}")
    _, found = explain_document(bench.load(), "TOTAL\nTOTAL QTY 3\nTOTAL much")
    assert [reason.kind for reason in found["total"].rules[0].reasons] == ["refused", "context", "value"]


def test_the_filter_that_would_answer_stands_first(bench: Bench) -> None:
    bench.write("bills/filters.yaml", "filters: [{id: short, kind: length, min_words: 9}]")
    bench.rules("total", "- {id: one, kind: pattern, pattern: '9.00'}")
    hit, found = explain_document(bench.load(), "9.00")
    assert hit is not None
    assert hit.filter == "short"
    assert found["total"].best is not None
