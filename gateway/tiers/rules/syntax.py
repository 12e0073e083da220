"""The structure of a regular expression, read leniently: enough to bound its size and to see what makes it slow.

What this module does not know it takes for one character; the ``regex`` module has the last word on what a pattern
means. Flags matter only where they change what is pattern and what is not (``x``).
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

MAX_DEPTH = 100


class TooDeep(ValueError):
    """Groups nest more than :data:`MAX_DEPTH` deep."""


@dataclass(frozen=True)
class Atom:
    """One character, a class or an escape: what matches one character."""

    text: str


@dataclass(frozen=True)
class Opaque:
    """Matches nothing, or something of unknown length: anchors, references, recursion."""

    text: str


@dataclass(frozen=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One of several branches."""

    branches: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """``body`` from ``least`` to ``most`` times; ``most`` is ``None`` where there is no bound."""

    body: Node
    least: int
    most: int | None
    possessive: bool = False


@dataclass(frozen=True)
class Look:
    """A lookaround: its body is matched, and nothing taken."""

    body: Node


@dataclass(frozen=True)
class Fuzzy:
    """``body`` with errors allowed: ``(?:TOTAL){e<=1}``."""

    body: Node
    constraint: str


Node = Atom | Opaque | Sequence | Choice | Repeat | Look | Fuzzy
EMPTY = Sequence(())

_QUANTIFIER = regex.compile(r"(?:(?P<sign>[*+?])|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\})(?P<mode>[?+]?)")
_FUZZY = regex.compile(r"\{(?P<constraint>[^{}]*[a-z][^{}]*(?::\[?[^{}]*)?)\}")
_GROUP = regex.compile(
    r"\(\?(?:(?P<comment>\#[^)]*\))|(?P<reference>P=\w+\)|P>\w+\)|&\w+\)|R\)|[+-]?\d+\))"
    r"|(?P<look><?[=!])|(?P<atomic>>)|(?P<reset>\|)|(?P<condition>\((?:\w+|<?[=!][^)]*)\))"
    r"|P?<(?P<name>\w+)>|(?P<flags>[a-zA-Z0-9]*(?:-[a-z]+)?)(?P<close>[:)]))"
)
_VERB = regex.compile(r"\(\*[A-Z]+\)")
_ESCAPE = regex.compile(
    r"\\(?:[pPN]\{[^}]*\}|[pP].|x[0-9a-fA-F]{2}|x\{[^}]*\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|0[0-7]{0,2}"
    r"|(?P<opaque>[gL]<[^>]*>|[1-9]\d?|[bBAZzGKmMRX])|.)",
    regex.DOTALL,
)


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def choice(self, depth: int, verbose: bool) -> Node:
        if depth > MAX_DEPTH:
            raise TooDeep(f"groups nest more than {MAX_DEPTH} deep")
        branches = [self.sequence(depth, verbose)]
        while self.at < len(self.pattern) and self.pattern[self.at] == "|":
            self.at += 1
            branches.append(self.sequence(depth, verbose))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def sequence(self, depth: int, verbose: bool) -> Node:
        parts: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if verbose and self._skip_space():
                continue
            read = self.atom(depth, verbose)
            if isinstance(read, bool):
                verbose = read  # flags for the rest of the group: (?x)
            else:
                parts.append(self.quantified(read))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _skip_space(self) -> bool:
        if self.pattern[self.at].isspace():
            self.at += 1
            return True
        if self.pattern[self.at] == "#":
            end = self.pattern.find("\n", self.at)
            self.at = len(self.pattern) if end < 0 else end
            return True
        return False

    def quantified(self, node: Node) -> Node:
        while self.at < len(self.pattern) and self.pattern[self.at] in "*+?{":
            match = _QUANTIFIER.match(self.pattern, self.at)
            if match and match[0] not in ("{}", "{,}") and (match["sign"] or match["least"] or match["most"]):
                self.at = match.end()
                node = Repeat(node, *_bounds(match), possessive=match["mode"] == "+")
                continue
            fuzzy = _FUZZY.match(self.pattern, self.at)
            if not fuzzy:
                break
            self.at = fuzzy.end()
            node = Fuzzy(node, fuzzy["constraint"])
        return node

    def atom(self, depth: int, verbose: bool) -> Node | bool:
        """The next part; a truth value where only flags stand: whether white space is ignored from here on."""
        char = self.pattern[self.at]
        if char == "(":
            return self.group(depth, verbose)
        if char == "[":
            return self.charset()
        if char == "\\":
            match = _ESCAPE.match(self.pattern, self.at)
            if match is None:  # a backslash at the very end
                self.at += 1
                return Opaque(char)
            self.at = match.end()
            return Opaque(match[0]) if match["opaque"] else Atom(match[0])
        self.at += 1
        return Opaque(char) if char in "^$" else Atom(char)

    def charset(self) -> Node:
        begin = self.at
        self.at += 2 if self.pattern.startswith("[^", begin) else 1
        first = self.at
        while self.at < len(self.pattern) and (self.pattern[self.at] != "]" or self.at == first):
            if self.pattern[self.at] == "\\":
                match = _ESCAPE.match(self.pattern, self.at)
                self.at = match.end() if match else self.at + 1
            elif self.pattern.startswith("[:", self.at) and (end := self.pattern.find(":]", self.at + 2)) >= 0:
                self.at = end + 2
            else:
                self.at += 1
        self.at += 1
        return Atom(self.pattern[begin : self.at])

    def group(self, depth: int, verbose: bool) -> Node | bool:
        verb = _VERB.match(self.pattern, self.at)
        if verb:
            self.at = verb.end()
            return Opaque(verb[0])
        match = _GROUP.match(self.pattern, self.at)
        if match is None:
            self.at += 1
            return self._body(depth, verbose)
        self.at = match.end()
        if match["comment"] or match["reference"]:
            return Opaque(match[0])
        if match["flags"] is not None:
            on, _, off = match["flags"].partition("-")
            inside = ("x" in on or verbose) and "x" not in off
            return inside if match["close"] == ")" else self._body(depth, inside)
        body = self._body(depth, verbose)
        if match["look"]:
            return Look(body)
        # What an atomic group has matched it does not take back, as a possessive quantifier.
        return Repeat(body, 1, 1, possessive=True) if match["atomic"] else body

    def _body(self, depth: int, verbose: bool) -> Node:
        body = self.choice(depth + 1, verbose)
        self.at += 1  # the closing bracket
        return body


def _bounds(match: regex.Match[str]) -> tuple[int, int | None]:
    sign = match["sign"]
    if sign:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
    least = int(match["least"][:9] or 0)
    if not match["comma"]:
        return least, least
    return least, int(match["most"][:9]) if match["most"] else None


def parse_pattern(pattern: str) -> Node:
    """The structure of a pattern.

    Raises:
        TooDeep: its groups nest too deeply.
    """
    reader = _Reader(pattern)
    nodes = [reader.choice(0, False)]
    while reader.at < len(pattern):  # a bracket too many: read on behind it, the regex module will refuse it
        reader.at += 1
        nodes.append(reader.choice(0, False))
    return nodes[0] if len(nodes) == 1 else Sequence(tuple(nodes))


def written_out(node: Node) -> int:
    """How many parts a pattern has when what repeats at least n times is written n times, as its compiler does."""
    match node:
        case Sequence(parts) | Choice(parts):
            return sum(map(written_out, parts)) + 1
        case Repeat(body, least):
            return max(least, 1) * written_out(body)
        case Look(body) | Fuzzy(body):
            return written_out(body) + 1
    return 1
