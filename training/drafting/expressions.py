"""Regular expressions made from what was seen: contexts, shapes of values, lists of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex

from training.drafting.occurrences import EDGE, NUMBER, Context

#: Stands for any word in a context.
ANY_WORD = "\\w"
#: Longer alternations are no pattern that people would read; rules allow 4,000 characters.
MOST_CHARACTERS = 1500
_PART = regex.compile(r"\d+|[^\W\d_]+|\s+|.", regex.DOTALL)
_MOST_PARTS = 14


def literal(token: str) -> str:
    """The pattern of one word or sign of a context."""
    if token == NUMBER:
        return r"\d+"
    if token == ANY_WORD:
        return r"\w+"
    # No quotes or backslashes that need not be: people read these.
    return "".join(char if char.isalnum() or char in "'\"/%&,:;=@!_<> " else f"\\{char}" for char in token)


def _is_word(token: str) -> bool:
    return token in (NUMBER, ANY_WORD) or token.replace("_", "a").isalnum()


def context_pattern(tokens: Context) -> str:
    """The pattern of consecutive words and signs; white space between them may be any, or none beside signs."""
    pattern = ""
    before = ""
    for token in tokens:
        if token == EDGE:
            pattern += "^[^\\w\\n]*" if not before else r"\s*$"
        else:
            if before and before != EDGE:
                pattern += r"\s+" if _is_word(before) and _is_word(token) else r"\s*"
            elif not before and _is_word(token):
                pattern += r"\b"
            pattern += literal(token)
        before = token
    return pattern


def left_pattern(tokens: Context) -> str:
    """The pattern of a context that a value stands behind, with the space between."""
    if tokens == (EDGE,):
        return r"^\s*"
    return context_pattern(tokens) + (r"\s+" if _is_word(tokens[-1]) else r"\s*")


def right_pattern(tokens: Context) -> str:
    """A lookahead for a context behind a value."""
    if tokens[0] == EDGE:
        return r"(?=\s*$)"
    inner = context_pattern(tokens).removeprefix(r"\b")
    end = r"\b" if _is_word(tokens[-1]) else ""
    return rf"(?=\s*{inner}{end})" if not _is_word(tokens[0]) else rf"(?=\s+{inner}{end})"


def either(patterns: Iterable[str]) -> str:
    """Any of several patterns, the longest first so that none hides one that goes on."""
    found = sorted(set(patterns), key=lambda pattern: (-len(pattern), pattern))
    return "".join(found) if len(found) < 2 else f"(?:{'|'.join(found)})"


def words_pattern(words: Iterable[str]) -> str:
    """Any of several texts as whole words, whatever the white space in them."""
    written = (r"\s+".join(map(literal, word.lower().split())) for word in words)
    return rf"(?<!\w){either(written)}(?!\w)"


@dataclass(frozen=True)
class Shape:
    """Values that are written alike: the pattern, and in how many documents such a value was seen."""

    key: str
    pattern: str
    documents: int


def shapes_of(values: Sequence[Sequence[str]], least: int) -> list[Shape]:
    """The ways in which values are written, the most frequent first.

    Figures are counted, words that several documents' values share stand for themselves, and other words for any.
    Shapes of any words alone say nothing and are left out.

    Args:
        values: the different values of each document.
        least: the fewest documents for a shape, and for a word to stand for itself.
    """
    words = Counter(
        word for found in values for word in {part.lower() for value in found for part in _PART.findall(value)}
    )
    seen: dict[tuple[str, ...], list[list[str]]] = {}
    documents: Counter[tuple[str, ...]] = Counter()
    for found in values:
        keys = set()
        for value in set(found):
            parts = _PART.findall(value.strip())
            if not parts or len(parts) > _MOST_PARTS:
                continue
            key = tuple(_kind(part, words, least) for part in parts)
            seen.setdefault(key, []).append(parts)
            keys.add(key)
        documents.update(keys)
    shapes = [
        Shape("".join(key), _shape_pattern(key, seen[key]), count)
        for key, count in documents.most_common()
        if count >= least and set(key) & {"0", "w"}
    ]
    return [shape for shape in shapes if len(shape.pattern) <= MOST_CHARACTERS]


def _kind(part: str, words: Counter[str], least: int) -> str:
    if part[0].isdecimal():
        return "0"
    if part[0].isspace():
        return " "
    if part[0].isalpha():
        return "w" if words[part.lower()] >= least else "a"
    return part


def _shape_pattern(key: Sequence[str], seen: Sequence[Sequence[str]]) -> str:
    pattern = ""
    for place, kind in enumerate(key):
        column = [parts[place] for parts in seen]
        if kind == "0":
            few, most = min(map(len, column)), max(map(len, column))
            pattern += rf"\d{{{few}}}" if few == most else rf"\d{{{few},{most}}}"
        elif kind == " ":
            pattern += r"\s+"
        elif kind == "w":
            pattern += either(literal(word.lower()) for word in column)
        elif kind == "a":
            pattern += r"[^\W\d_]+"
        else:
            pattern += literal(kind)
    before = r"(?<![\w.,:/-])" if key[0] == "0" else r"(?<!\w)" if key[0] in "wa" else ""
    behind = r"(?!\w|[.,:/-]\d)" if key[-1] == "0" else r"(?!\w)" if key[-1] in "wa" else ""
    return before + pattern + behind
