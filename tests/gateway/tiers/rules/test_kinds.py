"""What each kind of rule finds."""

from __future__ import annotations

import pytest

from tests.gateway.tiers.rules.conftest import Bench


def test_a_pattern_finds_its_group_value_or_all_of_itself(bench: Bench) -> None:
    bench.rules("shop", r"- {id: named, kind: pattern, pattern: 'SHOP:\s*(?P<value>\w+)'}")
    assert bench.values("shop", "our shop: corner") == ["corner"]
    bench.rules("shop", r"- {id: whole, kind: pattern, pattern: 'SHOP \d+'}")
    assert bench.values("shop", "this is Shop 12!") == ["Shop 12"]


def test_what_is_no_value_of_the_field_s_type_is_no_candidate(bench: Bench) -> None:
    bench.rules("date", r"- {id: any, kind: pattern, pattern: '\d\d/\d\d/\d{4}'}")
    assert bench.values("date", "45/45/2018 then 05/04/2018") == ["05/04/2018"]
    assert bench.find("date", "05/04/2018")[0].normalised == "2018-04-05"


def test_built_in_patterns_and_the_library_are_named_in_double_braces(bench: Bench) -> None:
    bench.write(
        "library/words.yaml", "recognisers: {till: {pattern: 'TILL {{number}}'}, number: {pattern: '[0-9]+'}}\n"
    )
    bench.rules("date", "- {id: till, kind: pattern, pattern: '{{till}} (?P<value>{{date}})'}")
    assert bench.values("date", "till 4 5 March 2019, till x 6 March 2019") == ["5 March 2019"]


# --- anchors ---

ANCHOR = "- {id: after, kind: anchor, label: 'TOTAL', reach: 2, between: '[: ]*'}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TOTAL 9.00", ["9.00"]),
        ("TOTAL\n9.00", ["9.00"]),
        ("TOTAL\n:\n9.00", ["9.00"]),
        ("TOTAL\n:\n:\n9.00", []),  # three lines below, and it reaches two
        ("TOTAL\nCASH\n9.00", []),  # a line that nothing allows between
        ("9.00 TOTAL", []),
        ("TOTAL 9.00\n8.00", ["9.00"]),
    ],
)
def test_an_anchor_s_value_stands_behind_or_below_its_label(bench: Bench, text: str, found: list[str]) -> None:
    bench.rules("total", ANCHOR)
    assert bench.values("total", text) == found


def test_an_anchor_may_look_only_below(bench: Bench) -> None:
    bench.rules("total", "- {id: below, kind: anchor, label: 'TOTAL', same_line: false, reach: 1}")
    assert bench.values("total", "TOTAL 1.00\n2.00") == ["2.00"]


def test_an_anchor_s_default_value_is_that_of_the_field_s_type(bench: Bench) -> None:
    bench.rules("shop", "- {id: after, kind: anchor, label: 'SOLD BY'}")
    assert bench.values("shop", "sold by  Corner Shop ") == ["Corner Shop"]


# --- positions and blocks ---


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("INVOICE\nCORNER SHOP\nTEA", ["CORNER SHOP"]),
        ("CORNER SHOP\nOTHER SHOP", ["CORNER SHOP"]),
        ("INVOICE\n123\nCORNER SHOP", []),  # the first line that is left is 123, which the pattern does not fit
        ("INVOICE\nINVOICE\nINVOICE\nINVOICE\nCORNER SHOP", []),
    ],
)
def test_a_position_is_the_first_line_that_is_not_skipped(bench: Bench, text: str, found: list[str]) -> None:
    bench.rules("shop", "- {id: top, kind: position, lines: {first: 4}, skip: INVOICE, pattern: '[A-Z].*'}")
    assert bench.values("shop", text) == found


BLOCK = r"""
- id: block
  kind: block
  start: '^FROM:\s*(?P<value>\w)'
  until: 'TEL|^$'
  stop: 'END'
  most: 3
  join: ', '
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("X\nFROM: A\nB\nTEL 1", ["A, B"]),
        ("FROM: A\nB TEL 1", ["A, B"]),
        ("FROM: A\nB END C\nD", ["A, B END"]),
        ("FROM: A\nB\nC\nD", ["A, B, C"]),
        ("FROM: TEL 1", []),
        ("FROM: A\n\nB", ["A"]),
        ("FROM: A\n\nFROM: B", ["A", "B"]),
    ],
)
def test_a_block_runs_from_start_to_before_until_or_behind_stop(bench: Bench, text: str, found: list[str]) -> None:
    bench.rules("shop", BLOCK)
    assert bench.values("shop", text) == found


def test_a_block_without_what_it_must_contain_hides_no_later_one(bench: Bench) -> None:
    bench.rules("shop", r"- {id: block, kind: block, start: '^A', most: 2, contain: '\d'}")
    assert bench.values("shop", "A one\nA two 2\nend") == ["A one A two 2"]
    assert bench.values("shop", "A one\nB\nA 2\nC") == ["A 2 C"]


# --- lookups ---

SHOPS = (
    "text,value,note\nCorner Shop,,1\nKorner Shop,Corner Shop,2\nGREEN GROCER OF THE OLD TOWN,,3\n12 HIGH STREET,,4\n"
)


def test_a_lookup_compares_lines_folded_and_may_give_another_value(bench: Bench) -> None:
    bench.write("bills/shops.csv", SHOPS)
    bench.rules("shop", "- {id: known, kind: lookup, file: shops.csv, lines: {first: 3}, span: 2}")
    assert bench.values("shop", "corner  SHOP.") == ["Corner Shop"]
    assert bench.values("shop", "Korner\nShop") == ["Corner Shop"]
    assert bench.values("shop", "1\n2\n3\nCorner Shop") == []
    assert bench.values("shop", "my Corner Shop") == []
    [candidate] = bench.find("shop", "x\n Green Grocer \nof the old town\n")
    assert candidate.text == "Green Grocer \nof the old town"
    assert candidate.value == "GREEN GROCER OF THE OLD TOWN"


def test_a_lookup_may_keep_the_text_s_writing(bench: Bench) -> None:
    bench.write("bills/shops.csv", SHOPS)
    bench.rules("shop", "- {id: known, kind: lookup, file: shops.csv, lines: {first: 3}, form: text}")
    assert bench.values("shop", "corner shop") == ["corner shop"]
    assert bench.values("shop", "KORNER SHOP") == ["Corner Shop"]  # another text than its value


def test_a_lookup_cuts_the_end_of_lines(bench: Bench) -> None:
    bench.write("bills/shops.csv", SHOPS)
    bench.rules("shop", r"- {id: known, kind: lookup, file: shops.csv, lines: {first: 3}, cut: '\s*\(\d+\)'}")
    [candidate] = bench.find("shop", "Corner Shop (123)")
    assert candidate.spans == ((0, 11),)


def test_a_fuzzy_lookup_finds_misread_entries_and_ranks_by_likeness(bench: Bench) -> None:
    bench.write("bills/shops.csv", SHOPS)
    bench.rules("shop", "- {id: alike, kind: lookup, file: shops.csv, lines: {first: 3}, fuzzy: 85}")
    assert bench.values("shop", "GREEM GROCER 0F THE OLD TOWN") == ["GREEN GROCER OF THE OLD TOWN"]
    assert bench.values("shop", "Cornor Shop\nGREEM GROCER OF THE OLD TOWN")[0] == "GREEN GROCER OF THE OLD TOWN"
    assert bench.values("shop", "BAKER OF THE NEW CITY") == []


def test_a_fuzzy_lookup_may_insist_on_the_digits(bench: Bench) -> None:
    bench.write("bills/shops.csv", SHOPS)
    rule = "- {id: alike, kind: lookup, file: shops.csv, lines: {first: 3}, fuzzy: 80, same_digits: %s}"
    bench.rules("shop", rule % "false")
    assert bench.values("shop", "13 HIGH STREET") == ["12 HIGH STREET"]
    bench.rules("shop", rule % "true")
    assert bench.values("shop", "13 HIGH STREET") == []
    assert bench.values("shop", "12 HIGH STREFT") == ["12 HIGH STREET"]


# --- balances ---

BALANCE = r"""- {id: paid, kind: balance, amount: '-?(?:\d+)?\.\d\d', change: %s, apart: %d}"""


@pytest.mark.parametrize(
    ("change", "apart", "text", "found"),
    [
        ("some", 0, "9.00\n10.00\n1.00", ["9.00"]),
        ("some", 0, "9.80 -10.00 .20", ["9.80"]),
        ("some", 0, "9.00\n10.00\n2.00", []),
        ("some", 0, "10.00\n9.00\n1.00", []),
        ("some", 0, "9.00 9.00 0.00", []),
        ("none", 0, "9.00 9.00 0.00", ["9.00"]),
        ("none", 0, "0.00 0.00 0.00", []),
        ("some", 0, "9.00 7.00 10.00 1.00", []),
        ("some", 1, "9.00 7.00 10.00 1.00", ["9.00"]),
        ("some", 1, "9.00 7.00 10.00 7.00 1.00", ["9.00"]),
    ],
)
def test_a_balance_is_what_was_paid_less_the_change(
    bench: Bench, change: str, apart: int, text: str, found: list[str]
) -> None:
    bench.rules("total", BALANCE % (change, apart))
    assert bench.values("total", text) == found


# --- agreements ---

VOTERS = r"""
- {id: agreed, kind: agreement, priority: 9, precision: 0.9, of: [first, last], least: 2}
- {id: first, kind: pattern, pattern: '\d+\.\d\d'}
- {id: last, kind: pattern, pattern: '\d+\.\d\d', prefer: last}
- {id: third, kind: pattern, pattern: '8\.00'}
"""


def test_an_agreement_is_what_enough_of_its_rules_have_first(bench: Bench) -> None:
    bench.rules("total", VOTERS)
    agreed = bench.find("total", "9.00 8.00 9.0 9.00")
    assert [(candidate.value, candidate.source, candidate.score) for candidate in agreed] == [
        ("9.00", "total/agreed", 0.9),
        ("8.00", "total/third", 0.5),
    ]
    assert [candidate.source for candidate in bench.find("total", "8.00 9.00")] == ["total/first", "total/last"]


def test_all_other_rules_may_agree(bench: Bench) -> None:
    bench.rules("total", VOTERS.replace("of: [first, last], least: 2", "least: 3"))
    assert bench.find("total", "8.00 9.00")[0].source == "total/first"
    assert bench.find("total", "8.00 8.0")[0].source == "total/agreed"
