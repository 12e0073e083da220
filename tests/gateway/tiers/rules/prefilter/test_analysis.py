"""What must stand in a text for a pattern to match."""

from __future__ import annotations

import pytest
import regex

from gateway.tiers.rules.prefilter import Prefilter, parsing
from gateway.tiers.rules.prefilter.analysis import conditions_of
from gateway.tiers.rules.prefilter.folding import Folding


def conditions(pattern: str, flags: int = regex.IGNORECASE | regex.MULTILINE) -> list[set[str]]:
    return [set(clause) for clause in conditions_of(regex.compile(pattern, flags), Folding()).clauses]


@pytest.mark.parametrize(
    ("pattern", "clause"),
    [
        ("TOTAL", {"total"}),
        (r"TOTAL\s+AMOUNT", {"total amount"}),
        (r"TOTAL[ \t]*\n\s?AMOUNT", {"total amount"}),
        (r"(?:INVOICE|BILL)\s?NO", {"invoiceno", "invoice no", "billno", "bill no"}),
        (r"\d+\.\d\d(?!\d)", {"0.00"}),
        (r"\d{1,2}/\d{1,2}/\d{4}", {"0/0/0000", "0/00/0000"}),
        (r"t[o0]tal", {"total", "t0tal"}),
        (r"colou?r", {"color", "colour"}),
        (r"(?<=TOTAL.{0,9})\d", {"total"}),
        (r"x(?=.*PAYABLE)", {"payable"}),
        (r"\w+@\w+\.example", {".example"}),
        (r"(?:TEA|CAKE)+\d*(?:S|ES)Y", {"tea", "cake"}),
        (r"(?P<a>shop)?(?(a)KEEPER|MASTER)", {"keeper", "master"}),
        (r"(?:ACCOUNT NUMBER){e<=1}", {"ount", "mber"}),
        (r"(?>CASH)++", {"cash"}),
        (r"(?-i:Total)", {"total"}),
        (r"(?x) to tal # not this", {"total"}),
        ("\\N{DEVANAGARI DIGIT ONE}TEL", {"0tel"}),
    ],
)
def test_a_pattern_needs_its_literals(pattern: str, clause: set[str]) -> None:
    assert conditions(pattern)[0] == clause


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+",
        ".*",
        "(?:TOTAL)?",
        "TOTAL|.",
        "(?!TOTAL)",
        "(?<!TOTAL)",
        "[^T]",
        "(?:TOTAL){e}",
        "(?:AB){e<=2}",
        r"(?f)STRASSE|ß",
        "[A-Z]+",
        "",
    ],
)
def test_where_nothing_need_stand_or_it_is_in_doubt_there_is_no_condition(pattern: str) -> None:
    assert conditions(pattern) == []
    assert Prefilter([[regex.compile(pattern, regex.IGNORECASE)]]).always == (0,)


def test_a_pattern_of_very_many_parts_has_no_condition_and_costs_no_more() -> None:
    assert conditions("(?:" + "ab?" * 15_000 + ")") == []
    assert conditions("x" + "(?:a|b)" * 2000 + "TOTAL") != []


def test_a_rule_needs_all_its_patterns() -> None:
    label, value = regex.compile("TOTAL", regex.IGNORECASE), regex.compile(r"\d\.\d\d")
    prefilter = Prefilter([[label, value], [label], []])
    assert prefilter.awake("Total 9.00") == [0, 1, 2]
    assert prefilter.awake("Total nine") == [1, 2]
    assert prefilter.awake("9.00") == prefilter.awake("") == [2]
    assert prefilter.always == (2,)
    assert Prefilter([]).awake("anything") == []


@pytest.mark.parametrize("text", ["Total  Amount", "TOTAL\n\u3000 amount\r\n", " total amount", "x total\tamount  "])
def test_several_blanks_are_one(text: str) -> None:
    patterns = [r"TOTAL\s+AMOUNT", r" *total *amount", r"\btotal\s"]
    prefilter = Prefilter([[regex.compile(pattern, regex.IGNORECASE)] for pattern in patterns])
    assert prefilter.awake(text) == [0, 1, 2]
    assert prefilter.awake(text.replace("a", "x").replace("A", "x").replace("O", "x")) == []


@pytest.mark.parametrize(
    "text", ["TOTAL\ud800 \u0663", "\uff34\uff2f\uff34\uff21\uff2c", "\U0001d7d8 TOTAL", "é" * 50 + "TOTAL"]
)
def test_any_text_can_be_scanned(text: str) -> None:
    prefilter = Prefilter([[regex.compile("TOTAL", regex.IGNORECASE)], [regex.compile(r"\d")]])
    assert (0 in prefilter.awake(text)) is ("TOTAL" in text)
    assert (1 in prefilter.awake(text)) is bool(regex.search(r"\d", text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ACCOUNT NUMBER", True),
        ("his acc0unt\n  number", True),
        ("ACOUNT NUMBER", True),
        ("ACC OUNT NUMBER", True),
        ("ACCOUNTX NUMBER", True),
        ("ACCOUNT x NUMBER", True),
        ("NUMBER ACCOUNT", False),
        ("account of a great number", False),
    ],
)
def test_pieces_of_what_may_be_misread_must_stand_together(text: str, found: bool) -> None:
    pattern = regex.compile(r"(?:ACCOUNT\s+NUMBER){e<=1}", regex.IGNORECASE)
    assert (pattern.search(text) is not None) is found
    assert Prefilter([[pattern]]).awake(text) == ([0] if found else [])


@pytest.mark.parametrize("text", ["x TOTAL DUE total  due", " \n x  ToTaL\n\n due", "TOTAL DUE", "  TOTAL DUE  "])
def test_the_places_where_matches_begin_are_those_of_the_text_itself(text: str) -> None:
    pattern = regex.compile(r"TOTAL\s+DUE", regex.IGNORECASE)
    assert Prefilter([[pattern]]).scan(text * 50).starts == {}, "so many places that a search is quicker"
    text += "\n" + "." * 1000
    scan = Prefilter([[pattern]]).scan(text)
    assert scan.starts == {pattern: [match.start() for match in pattern.finditer(text)]}


def test_with_a_parser_that_is_not_the_known_one_every_rule_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsing.understood()
    parsing.understood.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(parsing, "_regex_core", None)
        assert not parsing.understood()
        assert Prefilter([[regex.compile("TOTAL")]]).awake("nothing") == [0]
    parsing.understood.cache_clear()
    assert parsing.understood()
