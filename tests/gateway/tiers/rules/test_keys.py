"""The keys that all kinds of rules share."""

from __future__ import annotations

import pytest

from tests.gateway.tiers.rules.conftest import Bench


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("lines: {first: 2}", ["A1", "A2"]),
        ("lines: {last: 2}", ["A3", "A4"]),
        ("after: 'A1'", ["A2", "A3", "A4"]),
        ("before: 'A3'", ["A1", "A2"]),
        ("after: 'A1', before: 'A4'", ["A2", "A3"]),
        ("after: 'B'", []),
        ("before: 'B'", ["A1", "A2", "A3", "A4"]),
    ],
)
def test_a_rule_looks_at_part_of_the_text(bench: Bench, scope: str, found: list[str]) -> None:
    bench.rules("shop", rf"- {{id: some, kind: pattern, pattern: 'A\d', {scope}}}")
    assert bench.values("shop", "A1\nA2\nA3\nA4") == found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("require: {line: good}", ["2.00"]),
        ("forbid: {line: good}", ["1.00", "3.00"]),
        ("require: {previous: good}", ["3.00"]),
        ("require: {next: good}", ["1.00"]),
        ("forbid: {value: '^[12]'}", ["3.00"]),
        ("require: {document: '3'}", ["1.00", "2.00", "3.00"]),
        ("forbid: {document: '3'}", []),
        ("require: {line: good}, forbid: {value: '2'}", []),
    ],
)
def test_context_supports_or_forbids(bench: Bench, condition: str, found: list[str]) -> None:
    bench.rules("total", rf"- {{id: some, kind: pattern, pattern: '\d\.\d\d', {condition}}}")
    assert bench.values("total", "1.00\ngood 2.00\n3.00") == found


def test_an_anchor_s_context_is_that_of_its_label(bench: Bench) -> None:
    bench.rules("total", "- {id: after, kind: anchor, label: TOTAL, reach: 1, forbid: {previous: TAX}}")
    assert bench.values("total", "TAX\nTOTAL\n1.00\nTOTAL\n2.00") == ["2.00"]


@pytest.mark.parametrize(
    ("prefer", "found"),
    [
        ("first", ["2.00", "9.00", "10.00"]),
        ("last", ["9.00", "10.00", "2.00"]),
        ("largest", ["10.00", "9.00", "2.00"]),
        ("frequent", ["9.00", "2.00", "10.00"]),
    ],
)
def test_which_of_a_rule_s_matches_comes_first(bench: Bench, prefer: str, found: list[str]) -> None:
    bench.rules("total", rf"- {{id: some, kind: pattern, pattern: '\d+\.\d\d', prefer: {prefer}}}")
    assert bench.values("total", "2.00 9.00 10.00 9.00") == found


def test_replacements_change_the_value_and_not_the_text(bench: Bench) -> None:
    bench.rules(
        "shop",
        r"""
        - id: some
          kind: pattern
          pattern: 'SDN B.D'
          replace: [{pattern: '(S)DN B.D', by: '\1DN BHD'}, {pattern: ' '}]
        """,
    )
    [candidate] = bench.find("shop", "SDN BND")
    assert (candidate.text, candidate.value, candidate.normalised) == ("SDN BND", "SDNBHD", "sdnbhd")


def test_a_rule_is_not_tried_when_one_it_stands_in_for_has_found_something(bench: Bench) -> None:
    bench.rules(
        "total",
        r"""
        - {id: sure, kind: anchor, label: TOTAL, priority: 2}
        - {id: guess, kind: pattern, pattern: '\d\.\d\d', priority: 1, unless: [sure]}
        """,
    )
    assert [candidate.source for candidate in bench.find("total", "1.00 TOTAL 2.00")] == ["total/sure"]
    assert [candidate.source for candidate in bench.find("total", "1.00")] == ["total/guess"]
