"""Tagging schemes of tokens (IOB1, IOB2, BILOU, BIOES) to and from stretches of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Scheme = Literal["iob1", "iob2", "bilou", "bioes"]

#: Prefixes by what they say: U and S are one letter for one thing, as are L and E.
_SINGLE = "US"
_LAST = "LE"
_BEGIN = "B"
_INSIDE = "I"


class Chunk(NamedTuple):
    """Tokens ``start`` to ``end`` (exclusive) that are one value of ``label``."""

    label: str
    start: int
    end: int


class BadTag(ValueError):
    """A tag is none, or may not stand where it does; ``index`` counts tokens from 0."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and label of a tag: ``("B", "date")`` of ``B-date``, ``("O", "")`` outside.

    Raises:
        ValueError: it is no tag.
    """
    if tag in ("O", "-", "_", ""):
        return "O", ""
    prefix, sign, label = tag.partition("-")
    if not sign:
        prefix, _, label = tag.partition("_")
    if len(prefix) != 1 or prefix not in _BEGIN + _INSIDE + _SINGLE + _LAST or not label:
        raise ValueError(f"{tag!r} is no tag of the form B-label")
    return prefix, label


def detect_scheme(sentences: Sequence[Sequence[str]]) -> Scheme:
    """The scheme that tags are written in, by the prefixes they use.

    IOB1 begins a value with B only directly behind another of its label; IOB2 always.
    """
    prefixes: set[str] = set()
    begins_with_i = False
    for tags in sentences:
        before = ("O", "")
        for tag in tags:
            prefix, label = split_tag(tag)
            prefixes.add(prefix)
            begins_with_i |= prefix == "I" and before[1] != label
            before = prefix, label
    if prefixes & set("LU"):
        return "bilou"
    if prefixes & set("ES"):
        return "bioes"
    return "iob1" if begins_with_i else "iob2"


def chunks(tags: Sequence[str], scheme: Scheme | None = None) -> list[Chunk]:
    """The stretches that tags mark.

    Without a scheme any of them is read, as the CoNLL 2000 evaluation does: a value begins at B, U and S, at a tag of
    another label than the one before, and behind L, E, U, S and O. With one, tags that it does not allow are refused.

    Raises:
        BadTag: a tag is none, or breaks the scheme's rules.
    """
    found: list[Chunk] = []
    label, start, closed = "", 0, True
    for index, (prefix, name) in enumerate(_parsed(tags, scheme)):
        if not closed and (prefix in "OB" + _SINGLE or name != label):
            found.append(Chunk(label, start, index))
            closed = True
        if prefix == "O":
            continue
        if closed:
            label, start = name, index
        closed = prefix in _SINGLE + _LAST
        if closed:
            found.append(Chunk(label, start, index + 1))
    if not closed:
        found.append(Chunk(label, start, len(tags)))
    return found


def _parsed(tags: Sequence[str], scheme: Scheme | None) -> Iterator[tuple[str, str]]:
    before = ("O", "")
    for index, tag in enumerate(tags):
        try:
            here = split_tag(tag)
        except ValueError as error:
            raise BadTag(index, str(error)) from error
        if scheme is not None and (problem := _breach(scheme, before, here)):
            raise BadTag(index, f"{tag!r} {problem} in {scheme.upper()}")
        yield here
        before = here
    if scheme in ("bilou", "bioes") and before[0] in "BI":
        raise BadTag(len(tags) - 1, f"a value of {before[1]} does not end in {scheme.upper()}")


def _breach(scheme: Scheme, before: tuple[str, str], here: tuple[str, str]) -> str | None:
    """What is wrong with ``here`` behind ``before``, if anything."""
    allowed = {"iob1": "OIB", "iob2": "OIB", "bilou": "OBILU", "bioes": "OBIES"}[scheme]
    if here[0] not in allowed:
        return "is no tag"
    inside = before[0] in "BI"
    if scheme == "iob1":
        return "begins what does not follow its like" if here[0] == "B" and before[1] != here[1] else None
    if scheme == "iob2":
        return "goes on with what has not begun" if here[0] == "I" and before[1] != here[1] else None
    if here[0] in "I" + _LAST and (not inside or before[1] != here[1]):
        return "goes on with what has not begun"
    return "begins before the value before has ended" if inside and here[0] not in "I" + _LAST else None


def to_tags(found: Sequence[Chunk], length: int, scheme: Scheme = "iob2") -> list[str]:
    """The tags of ``length`` tokens that mark chunks, which must not overlap."""
    tags = ["O"] * length
    single, last = ("U", "L") if scheme == "bilou" else ("S", "E")
    for label, start, end in sorted(found, key=lambda chunk: chunk.start):
        if scheme in ("bilou", "bioes"):
            inner = [single] if end - start == 1 else ["B", *"I" * (end - start - 2), last]
        else:
            follows = start > 0 and tags[start - 1].partition("-")[2] == label
            inner = ["B" if scheme == "iob2" or follows else "I", *"I" * (end - start - 1)]
        tags[start:end] = [f"{prefix}-{label}" for prefix in inner]
    return tags
