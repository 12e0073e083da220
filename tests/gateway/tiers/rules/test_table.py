"""Lookup tables: folding, and finding misread entries without comparing with all."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from gateway.tiers.rules.budget import Budget, TimeLimits
from gateway.tiers.rules.compiling import Lookup
from gateway.tiers.rules.scope import Scope
from gateway.tiers.rules.table import Entry, Table, best_like, digits_of, fold
from gateway.tiers.rules.text import Text
from gateway.tiers.rules.words import WordsFinder
from gateway.values import fold_text


@given(st.text() | st.text(alphabet="aB.,\x1c\t \x0b-é"))
def test_fold_is_the_fold_of_value_equality(text: str) -> None:
    assert fold(text) == fold_text(text)


NAMES = [
    f"{first} {second} {third}"
    for first in ("CORNER", "GREEN", "OLD TOWN", "JAYA")
    for second in ("BOOK", "TEA", "PAPER")
    for third in ("SHOP", "TRADING SDN BHD", "MINI MARKET", "RESTAURANT")
]
TABLE = Table([(name, name) for name in NAMES])


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 10**6), st.integers(0, 2))
def test_an_entry_misread_in_a_few_places_is_among_the_likely(name: str, seed: int, errors: int) -> None:
    rng = random.Random(seed)
    misread = list(fold(name))
    for _ in range(errors):
        misread[rng.randrange(len(misread))] = rng.choice("xyz019")
    folded = "".join(misread)
    if fuzz.ratio(folded, fold(name)) >= 85:
        likely = TABLE.likely(f"header{folded}footer")
        assert fold(name) in [entry.key for entry in likely]
        best = best_like(likely, folded, 85, same_digits=False)
        assert best is not None
        assert best[0] == max(fuzz.ratio(folded, fold(other)) for other in NAMES)


def test_what_shares_nothing_with_a_text_is_not_likely() -> None:
    assert TABLE.likely(fold("QUITE SOMETHING ELSE 123")) == []
    assert Table([]).likely("corner") == []


def test_entries_too_short_for_an_index_are_found_exactly() -> None:
    table = Table([("KFC", "KFC RESTAURANTS")])
    assert table.exact("kfc") == "KFC RESTAURANTS"
    assert table.may_begin("kfc")
    assert table.likely("kfc") == []


def test_entries_with_only_common_grams_stay_findable() -> None:
    table = Table([(f"JALAN {number}", "x") for number in range(200)] + [("JALAN", "JALAN")])
    assert "jalan" in [entry.key for entry in table.likely("jalan")]


def test_an_entry_may_begin_only_with_its_first_characters() -> None:
    assert TABLE.may_begin("cornerx")
    assert TABLE.may_begin("cor")
    assert not TABLE.may_begin("xcorner")


def test_the_same_digits_are_asked_for_in_order() -> None:
    entries = Table([("12 HIGH STREET 34", "a"), ("21 HIGH STREET 34", "b")]).likely(fold("12 HIGH STREET 34"))
    best = best_like(entries, fold("21 HIGH STREFT 34"), 80, same_digits=True)
    assert best is not None
    assert best[1] == "b"
    assert best_like(entries, fold("43 HIGH STREET 34"), 80, same_digits=True) is None


def test_the_digest_follows_the_entries_and_not_their_order() -> None:
    one, two = ("A", "x"), ("B", "y")
    assert Table([one, two]).digest == Table([two, one]).digest
    assert Table([one, two]).digest != Table([one, ("B", "z")]).digest


SHORT = st.text(alphabet="ab1 ", min_size=1, max_size=8)


@settings(deadline=None)
@given(st.lists(SHORT, max_size=30), SHORT, st.floats(1, 99), st.booleans())
def test_the_likest_is_the_first_of_the_greatest_likeness(
    texts: list[str], folded: str, least: float, same_digits: bool
) -> None:
    entries = [Entry(text, f"{text}/{number}", digits_of(text)) for number, text in enumerate(texts)]
    wanted: tuple[float, str] | None = None
    for entry in entries:
        score = fuzz.ratio(entry.key, folded)
        fits = not same_digits or entry.digits == digits_of(folded)
        if fits and score >= least and (wanted is None or score > wanted[0]):
            wanted = (score, entry.value)
    assert best_like(entries, folded, least, same_digits=same_digits) == wanted


def test_many_entries_of_one_length_are_compared_with_looks_at_the_clock_between() -> None:
    entries = [Entry(f"{number:05}", str(number), "") for number in range(1000)]
    looks: list[None] = []
    assert best_like(entries, "00999", 60, same_digits=False, check=lambda: looks.append(None)) == (100.0, "999")
    assert len(looks) >= 4


WORDS = st.lists(st.sampled_from(["a", "b", "B-a", "Straße", "1", ",", "-", "\n", "."]), max_size=30).map(" ".join)


@settings(deadline=None)
@given(st.lists(WORDS.filter(fold), max_size=6), WORDS)
def test_words_are_the_longest_entries_at_each_place(listed: list[str], text: str) -> None:
    lookup = Lookup([(entry, entry) for entry in listed])
    scope = Scope()
    budget = Budget(TimeLimits(5.0, 5.0))
    budget.begin_rule()
    found = [item.span for item in WordsFinder(lookup.table, lookup.lengths, False, scope).find(Text(text), budget)]
    spans = [match.span() for match in re.finditer(r"\w+(?:[-'&/]\w+)*", text)]
    counts = {fold(entry): len(re.findall(r"\w+(?:[-'&/]\w+)*", entry)) for entry in listed}
    wanted, number = [], 0
    while number < len(spans):
        ends = [
            last
            for last in range(len(spans) - 1, number - 1, -1)
            if counts.get(fold(text[spans[number][0] : spans[last][1]])) == last - number + 1
        ]
        if ends:
            wanted.append((spans[number][0], spans[ends[0]][1]))
        number = ends[0] + 1 if ends else number + 1
    assert found == wanted
