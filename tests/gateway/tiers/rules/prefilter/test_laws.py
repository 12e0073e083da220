"""The law of the prefilter: where a pattern matches, its rule is awake."""

from __future__ import annotations

import sys

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.tiers.rules.prefilter import Prefilter
from gateway.tiers.rules.prefilter.folding import Folding

#: Letters with odd cases (the Kelvin sign, long s, i with a dot and without, sharp s, ligature, micro, final sigma),
#: digits of three scripts, white space of several kinds, beyond the first plane, and half a pair.
CHARACTERS = (
    "abksi\u212a\u017f\u0130\u0131\u00df\ufb01\u00b5\u03c219\u0663\U0001d7d8 \t\n\u2028-./@\u00e9\U00010428\ud800"
)
TEXTS = st.text(st.sampled_from(CHARACTERS), max_size=24)
LITERALS = st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=5).map(regex.escape)
CLASSES = st.sampled_from(
    [r"\d", r"\s", r"\w", r"\D", r"\S", ".", "[ab]", "[^ab]", "[a-k]", r"[\d./]", "[^\n]", r"[[:alpha:]]", r"\p{Lu}",
     "[sß]", "[k-t1]", r"(?V1:[a-z--[k]])", r"\X", r"\R", r"\h"]
)  # fmt: skip
PLACES = st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z", r"\K", r"\G", r"\m", ""])
QUANTIFIERS = st.sampled_from(
    ["?", "*", "+", "{2}", "{1,2}", "{0,3}", "{2,}", "{,2}", "??", "+?", "*+", "{1,3}+", "{3,5}?"]
)
ERRORS = st.sampled_from(
    ["{e<=1}", "{e<=2}", "{i<=1,d<=1}", "{s<=1}", "{1i+2d+1s<=3}", "{e}", "{1<=e<=2}", "{d<=1:[a-k]}"]
)


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(parts, parts)
    return st.one_of(
        pair.map("".join),
        st.lists(parts, min_size=2, max_size=4).map(lambda branches: f"(?:{'|'.join(branches)})"),
        st.tuples(parts, QUANTIFIERS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(parts, ERRORS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from(["?=", "?!", "?<=", "?<!", "?>", "?-i:", "?f:", "?a:", "?x:", "?i:", ""]), parts).map(
            lambda pair: f"({pair[0]}{pair[1]})"
        ),
        pair.map(lambda pair: f"(?P<g>{pair[0]})?(?(g){pair[1]}|b)" if "(?P<g>" not in "".join(pair) else pair[0]),
        pair.map(lambda pair: f"(?(?={pair[0]}){pair[1]}|s)"),
        parts.map(lambda part: f"({part})\\1" if "(" not in part else part),
        parts.map(lambda part: f"(?:{part}(?R)?)" if "(?R)" not in part else part),
    )


PATTERNS = st.recursive(LITERALS | CLASSES | PLACES, _larger, max_leaves=8)
FLAGS = st.sampled_from([regex.IGNORECASE | regex.MULTILINE, regex.MULTILINE, regex.IGNORECASE | regex.VERSION1])


def compiled(source: str, flags: int) -> regex.Pattern[str] | None:
    try:
        return regex.compile(source, flags)
    except (regex.error, RecursionError):
        return None


@settings(max_examples=200)
@given(PATTERNS, FLAGS, st.lists(TEXTS, min_size=1, max_size=3))
@example("straße", regex.IGNORECASE | regex.VERSION1, ["STRASSE"])
@example("(?:ab|abc)d", regex.IGNORECASE, ["ABCD"])
@example("(?:ab|abc)(?:d.*e)", regex.IGNORECASE, ["ABCDXE"])
@example("(?:x.*a)(?:b|bc)d", regex.IGNORECASE, ["XABCD"])
@example("K+i", regex.IGNORECASE, ["K\u212a\u0130", "kk\u0131"])
@example("(?:a.*|ab)c", regex.IGNORECASE, ["ABC"])
@example(r"(?:1|12)\.(?:3|34)*5", regex.IGNORECASE, ["٣٣.5", "12.345"])
def test_a_rule_is_awake_wherever_its_pattern_matches(source: str, flags: int, texts: list[str]) -> None:
    pattern = compiled(source, flags)
    if pattern is None:
        return
    prefilter = Prefilter([[pattern]])
    for text in texts:
        try:
            matches = pattern.search(text, timeout=0.01) is not None
        except (TimeoutError, MemoryError):
            continue
        assert not matches or prefilter.awake(text) == [0]


#: Labels that matches begin with, and texts in which they stand.
LABELS = st.sampled_from(
    ["kiss", "Kiß1", "a b9", "sİsk", "(?:skab|sk a)", r"ab\s+ab", r"9{3}", "(?:kab){e<=1}", r"\Kabk", r"\Gabk"]
)
LABELLED = st.lists(
    st.sampled_from(["KISS", "kiß٣", "A  b1", "sisk", "SKAB", "Sk \n a", "ab\t\tAB", "999", "kb", "abk", " ", "  "])
    | TEXTS,
    max_size=8,
).map("".join)


@settings(max_examples=200)
@given(LABELS, PATTERNS, FLAGS, LABELLED, st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_matches_are_the_same_where_only_their_beginnings_are_tried(
    label: str, rest: str, flags: int, text: str, cut: tuple[int, int]
) -> None:
    pattern = compiled(label + rest, flags)
    if pattern is None:
        return
    # In a text as short as this a pattern is searched for; in a longer one it is tried in places.
    text += "~" * 2000
    region = min(cut[0], len(text)), max(min(cut[0], len(text)), len(text) - 2000 + 4 - cut[1])
    try:
        expected = [match.span() for match in pattern.finditer(text, *region, timeout=0.01)]
    except (TimeoutError, MemoryError):
        return
    scan = Prefilter([[pattern]]).scan(text)
    assert scan.rules or not expected
    if pattern in scan.starts:
        position, found = region[0], []
        for place in scan.starts[pattern]:
            if position <= place < region[1] and (match := pattern.match(text, place, region[1])):
                found.append(match.span())
                position = match.end()
        assert found == expected


@settings(max_examples=60)
@given(st.lists(st.lists(LITERALS, max_size=3), max_size=6), TEXTS)
def test_rules_are_awake_together_as_they_are_alone(needs: list[list[str]], text: str) -> None:
    patterns = [[regex.compile(source, regex.IGNORECASE) for source in sources] for sources in needs]
    together = Prefilter(patterns).awake(text)
    assert together == [number for number, alone in enumerate(patterns) if Prefilter([alone]).awake(text)]
    for number, alone in enumerate(patterns):
        if all(pattern.search(text) for pattern in alone):
            assert number in together


def test_letters_that_a_pattern_takes_for_each_other_fold_to_one() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    cased = "".join(
        char for char in everything if char.lower() != char or char.upper() != char or char.casefold() != char
    )
    folding = Folding()
    for char in cased:
        matched = regex.findall(regex.escape(char), cased, regex.IGNORECASE)
        assert {folding.fold(other) for other in matched} == {folding.fold(char)}


@pytest.mark.parametrize("words", [300, 3000])
def test_more_letters_than_bytes_are_told_apart_less_well_but_never_wrongly(words: int) -> None:
    # Hangul syllables: each a letter of its own.
    texts = [chr(0xAC00 + number) + chr(0xAC00 + 7 * number % 11000) + "x" for number in range(words)]
    prefilter = Prefilter([[regex.compile(text, regex.IGNORECASE)] for text in texts])
    for number in range(0, words, 37):
        awake = prefilter.awake(f"… {texts[number].upper()} …")
        assert number in awake
        assert len(awake) < words / 10
