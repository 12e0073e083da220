"""What one document and one rule may cost is bounded: each bound, reached."""

from __future__ import annotations

import time

import pytest

from gateway.document import Document
from gateway.errors import RuleFileError
from gateway.tiers.rules import MAX_SCANNED_CHARS, RulesTier, TimeLimits, candidates
from gateway.tiers.rules.candidates import MAX_CANDIDATES, MAX_ITEMS
from gateway.tiers.rules.schema import MAX_PATTERN_CHARS
from gateway.tiers.rules.scope import MAX_MATCHES, MAX_VALUE_CHARS
from tests.gateway.tiers.rules.conftest import TASK, Bench

#: Seconds of processor time beyond a rule's limit that one step may take (reading all of a text, say).
STEP = 0.4


def spent(tier: RulesTier, text: str, field: str) -> float:
    began = time.thread_time()
    tier.propose([Document(text)], [field])
    return time.thread_time() - began


def test_a_pattern_has_a_longest_size(bench: Bench) -> None:
    bench.rules("shop", f"- {{id: long, kind: pattern, pattern: '{'a' * MAX_PATTERN_CHARS}'}}")
    bench.load()
    bench.rules("shop", f"- {{id: long, kind: pattern, pattern: '{'a' * (MAX_PATTERN_CHARS + 1)}'}}")
    with pytest.raises(RuleFileError, match="pattern"):
        bench.load()


def test_no_more_matches_are_taken_than_the_bound(bench: Bench) -> None:
    bench.rules("items", r"- {id: some, kind: pattern, pattern: 'w\d+'}")
    tier = bench.load(limits=TimeLimits(5.0, 5.0))
    text = " ".join(f"w{number}" for number in range(3 * MAX_MATCHES))
    [run] = tier.trace(Document(text), ["items"])["items"]
    assert len(run.candidates) == MAX_MATCHES
    [output] = tier.propose([Document(text)], ["items"])
    assert len(output.proposals["items"].candidates) == MAX_ITEMS
    bench.rules("shop", r"- {id: some, kind: pattern, pattern: 'w\d+'}")
    [output] = bench.load().propose([Document(text)], ["shop"])
    assert len(output.proposals["shop"].candidates) == MAX_CANDIDATES


def test_a_value_has_a_longest_size_and_a_text_a_part_that_is_read(bench: Bench) -> None:
    bench.rules("shop", r"- {id: word, kind: pattern, pattern: 'x+'}")
    assert bench.values("shop", "x" * MAX_VALUE_CHARS) == ["x" * MAX_VALUE_CHARS]
    assert bench.values("shop", "x" * (MAX_VALUE_CHARS + 1)) == []
    assert bench.values("shop", " " * (MAX_SCANNED_CHARS - 1) + "xx") == ["x"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are read as values, in order."""
    found: list[str] = []
    real = candidates.canonical

    def canonical(kind, text, *, options):  # type: ignore[no-untyped-def]
        found.append(text)
        return real(kind, text, options=options)

    monkeypatch.setattr(candidates, "canonical", canonical)
    return found


@pytest.mark.parametrize(("prefer", "most"), [("first", 5), ("last", 5), ("largest", MAX_MATCHES)])
def test_no_more_values_are_read_than_a_field_has_candidates(
    bench: Bench, reads: list[str], prefer: str, most: int
) -> None:
    bench.rules("total", rf"- {{id: some, kind: pattern, pattern: '\d+', prefer: {prefer}}}")
    tier = bench.load(limits=TimeLimits(5.0, 5.0))
    [output] = tier.propose([Document(" ".join(map(str, range(100, 300))))], ["total"])
    assert len(reads) == most
    best = output.proposals["total"].best
    assert best is not None
    assert best.text == {"first": "100", "last": "299", "largest": "299"}[prefer]


@pytest.mark.parametrize(("field", "most"), [("total", 200), ("date", 200), ("shop", MAX_VALUE_CHARS)])
def test_what_is_too_long_for_a_value_is_not_read(bench: Bench, reads: list[str], field: str, most: int) -> None:
    bench.rules(field, r"- {id: some, kind: pattern, pattern: '\d+', normalise: [canonical]}")
    bench.values(field, "1" * most)
    assert reads
    reads.clear()
    assert bench.values(field, "1" * (most + 1)) == []
    assert reads == []


def test_values_that_are_slow_to_read_end_with_the_document_s_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[str] = []

    def slow(kind, text, *, options):  # type: ignore[no-untyped-def]
        began.append(text)
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass

    bench.rules("total", "\n".join(rf"- {{id: r{n}, kind: pattern, pattern: '{n}\d+'}}" for n in range(1, 10)))
    tier = bench.load(prefilter=False)
    monkeypatch.setattr(candidates, "canonical", slow)
    [output] = tier.propose([Document(" ".join(map(str, range(100, 1000))))], ["total"])
    assert output.timed_out == ("total",)
    assert sum(tier.timeouts.values()) == 9
    # One reading beyond the limits is forgiven, the next uses all that was left.
    assert len(began) <= 3


def test_a_large_table_and_a_long_text_do_not_escape_the_limit(bench: Bench) -> None:
    # Entries that share their grams, so that many are compared with every line.
    entries = "\n".join(f"NORTHERN TRADING COMPANY {number:05}" for number in range(8000))
    bench.write("bills/shops.csv", f"text\n{entries}\n")
    bench.rules("shop", "- {id: alike, kind: lookup, file: shops.csv, lines: {first: 9999}, span: 6, fuzzy: 70}")
    tier = bench.load()
    text = "\n".join(f"NORTHERN TRADNG COMPANY {number}" for number in range(3000))
    assert spent(tier, text, "shop") < 2 * TimeLimits().rule + STEP
    assert tier.timeouts == {"shop/alike": 1}


def test_many_rules_that_are_slow_without_running_away_share_the_document_s_limit(bench: Bench) -> None:
    bench.rules("shop", "\n".join(f"- {{id: r{n}, kind: pattern, pattern: '(?:{n}|\\w)+?z'}}" for n in range(60)))
    tier = bench.load()
    text = ("w" * 900 + " ") * 100 + "z"
    assert spent(tier, text, "shop") < TimeLimits().document + 2 * STEP
    assert sum(tier.timeouts.values()) > 30


@pytest.mark.parametrize(
    "text", ["\n" * 3_000_000, "é \r\n" * 700_000, "1 " * 1_500_000], ids=["lines", "blanks", "digits"]
)
def test_a_text_of_any_size_costs_no_more_than_the_part_that_is_read(bench: Bench, text: str) -> None:
    bench.rules("total", r"- {id: some, kind: pattern, pattern: 'TOTAL \d'}")
    assert spent(bench.load(), text, "total") < STEP


def test_the_index_of_many_rules_is_built_in_bounded_time(bench: Bench) -> None:
    # Alternatives whose combinations would be a million literals.
    choice = "(?:" + "|".join(f"w{number}" for number in range(100)) + ")"
    bench.rules("shop", "\n".join(f"- {{id: r{n}, kind: pattern, pattern: '{choice * 3}{n}'}}" for n in range(20)))
    began = time.thread_time()
    tier = RulesTier.load(bench.path, TASK)
    assert time.thread_time() - began < 10
    [output] = tier.propose([Document("w1w2w37")], ["shop"])
    assert output.proposals["shop"].best is not None


def test_replacements_do_not_multiply_a_value_without_end(bench: Bench) -> None:
    step = "{pattern: '(?s)(.+)', by: '" + r"\1" * 200 + "'}"
    bench.rules("shop", f"- {{id: grows, kind: pattern, pattern: 'a+', replace: [{step}, {step}, {step}]}}")
    tier = bench.load()
    assert spent(tier, "aaa", "shop") < TimeLimits().rule + STEP
    [output] = tier.propose([Document("aaa")], ["shop"])
    assert output.proposals["shop"].candidates == ()
