"""What can make a pattern slow, seen in its structure: one text that it can match in many ways.

A backtracking matcher tries all of those ways before it gives up: exponentially many where a repetition repeats
something that can itself be split in several ways (Kirrage, Rathnayake and Thielecke 2013), polynomially many where
repetitions of the same characters follow each other. Sets of characters are computed over a small alphabet, so what is
said here is a suspicion with a text to try it on; :mod:`.probing` tries.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from gateway.tiers.rules.syntax import Atom, Choice, Fuzzy, Look, Node, Opaque, Repeat, Sequence

_ALPHABET = string.digits + string.ascii_letters + string.punctuation + " \n\té€ß中"
#: A repetition that may take this many more than it must counts as unbounded.
_MANY = 10
_MAX_SAMPLE = 200


@dataclass(frozen=True)
class Hazard:
    """A suspicion. Texts of ``prefix`` and many times ``pump`` should be slow; ``part`` is the part of the pattern."""

    message: str
    part: Node
    prefix: str
    pump: str


@functools.lru_cache(maxsize=4096)
def characters(atom: str) -> frozenset[str]:
    """Those of a small alphabet that an atom (``a``, ``[0-9]``, ``\\w``) matches, letter case ignored."""
    try:
        compiled = regex.compile(atom, regex.IGNORECASE)
    except (regex.error, OverflowError, RecursionError):
        return frozenset()
    return frozenset(char for char in _ALPHABET if compiled.fullmatch(char))


def first(node: Node) -> frozenset[str]:
    """Characters that a match of ``node`` can begin with."""
    match node:
        case Atom(text):
            return characters(text)
        case Sequence(parts):
            found: frozenset[str] = frozenset()
            for part in parts:
                found |= first(part)
                if not nullable(part):
                    break
            return found
        case Choice(branches):
            return frozenset().union(*map(first, branches))
        case Repeat(body) | Fuzzy(body):
            return first(body)
    return frozenset()


def nullable(node: Node) -> bool:
    """Whether ``node`` can match the empty text."""
    match node:
        case Atom():
            return False
        case Sequence(parts):
            return all(map(nullable, parts))
        case Choice(branches):
            return any(map(nullable, branches))
        case Repeat(body, least):
            return least == 0 or nullable(body)
        case Fuzzy(body):
            return nullable(body)
    return True


def everything(node: Node) -> frozenset[str]:
    """All characters that can stand in a match of ``node``."""
    match node:
        case Atom(text):
            return characters(text)
        case Sequence(parts) | Choice(parts):
            return frozenset().union(*map(everything, parts))
        case Repeat(body) | Fuzzy(body):
            return everything(body)
    return frozenset()


def sample(node: Node) -> str:
    """A short text that ``node`` probably matches."""
    match node:
        case Atom(text):
            if len(text) == 1:
                return text
            found = characters(text)
            return min(found, key=_ALPHABET.index) if found else ""
        case Sequence(parts):
            return "".join(map(sample, parts))[:_MAX_SAMPLE]
        case Choice(branches):
            return sample(branches[0])
        case Repeat(body, least):
            return (sample(body) * min(least, 20))[:_MAX_SAMPLE]
        case Fuzzy(body):
            return sample(body)
    return ""


def unbounded(node: Node) -> bool:
    """Whether ``node`` is a repetition that can take many more or less, and gives back what it took."""
    return isinstance(node, Repeat) and not node.possessive and (node.most is None or node.most - node.least >= _MANY)


def _flat(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Sequence):
        return tuple(part for inner in node.parts for part in _flat(inner))
    return (node,)


def _splits(body: Node) -> str | None:
    """A text of which several copies can be shared out among repetitions of ``body`` in many ways."""
    if isinstance(body, Choice):
        single = [branch for branch in body.branches if isinstance(branch, Atom)]
        for number, left in enumerate(single):
            for right in single[number + 1 :]:
                shared = characters(left.text) & characters(right.text)
                if shared:
                    return min(shared)
        return next((found for branch in body.branches if (found := _splits(branch))), None)
    parts = _flat(body)
    for position, part in enumerate(parts):
        if not isinstance(part, Repeat) or not unbounded(part):
            continue
        taken = everything(part.body)
        others = [other for place, other in enumerate(parts) if place != position and not nullable(other)]
        # The inner repetition can run on through the next copy only if it takes all that must stand between.
        if taken and all(first(other) & taken for other in others):
            shared = taken.intersection(*(first(other) for other in others if isinstance(other, Atom)))
            return "".join(sample(other) for other in others) + min(shared or taken, key=_ALPHABET.index)
    return None


def hazards(node: Node, prefix: str = "") -> Iterator[Hazard]:
    """Suspicions about a pattern, outermost first; ``prefix`` is what must stand before ``node``."""
    match node:
        case Sequence():
            parts = _flat(node)
            yield from _neighbours(parts, prefix)
            for part in parts:
                yield from hazards(part, prefix)
                prefix = (prefix + sample(part))[-_MAX_SAMPLE:]
        case Choice(branches):
            for branch in branches:
                yield from hazards(branch, prefix)
        case Repeat(body):
            pump = _splits(body) if unbounded(node) else None
            if pump:
                yield Hazard("a repetition repeats what can be split in several ways", node, prefix, pump)
            yield from hazards(body, prefix)
        case Look(body) | Fuzzy(body):
            yield from hazards(body, prefix)


def _neighbours(parts: tuple[Node, ...], prefix: str) -> Iterator[Hazard]:
    """Three or more repetitions of the same characters with nothing between that they could not take."""
    run: list[Node] = []
    shared: frozenset[str] = frozenset()
    start = prefix
    for part in (*parts, Opaque("")):
        if isinstance(part, Repeat) and unbounded(part):
            taken = everything(part.body)
            if not run or not (shared & taken):
                run, shared, start = [], taken, prefix
            else:
                shared &= taken
            run.append(part)
            if len(run) == 3 and shared:
                yield Hazard(
                    "three repetitions in a row take the same characters",
                    Sequence(tuple(run)),
                    start,
                    min(shared, key=_ALPHABET.index),
                )
        elif not nullable(part):
            run = []
        prefix = (prefix + sample(part))[-_MAX_SAMPLE:]


def loose_errors(node: Node) -> Iterator[str]:
    """What is wrong with the errors that fuzzy parts allow."""
    match node:
        case Fuzzy(body, constraint):
            yield from _loose(body, constraint)
            yield from loose_errors(body)
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from loose_errors(part)
        case Repeat(body) | Look(body):
            yield from loose_errors(body)


#: One error in this many characters is what OCR makes of a clear scan; more matches other words.
_CHARACTERS_AN_ERROR = 4
_ALLOWED = regex.compile(r"(?P<kind>[iesd])(?P<below><=?)(?P<most>\d+)")


def _loose(body: Node, constraint: str) -> Iterator[str]:
    if any(True for _ in _repetitions(body)):
        yield f"{{{constraint}}} stands on a part that repeats without bound: each place is tried with every error"
    bounds = [int(item["most"]) - (item["below"] == "<") for item in _ALLOWED.finditer(constraint)]
    if not bounds:
        yield f"{{{constraint}}} allows any number of errors: give a number, as in {{e<=1}}"
        return
    most, length = max(bounds), len(sample(body))
    if most * _CHARACTERS_AN_ERROR > length:
        yield (
            f"{{{constraint}}} allows {most} errors in {length} characters: allow at most one in"
            f" {_CHARACTERS_AN_ERROR}, and require what stands around it"
        )


def _repetitions(node: Node) -> Iterator[Node]:
    match node:
        case Repeat(body):
            if unbounded(node):
                yield node
            yield from _repetitions(body)
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from _repetitions(part)
        case Fuzzy(body):
            yield from _repetitions(body)
