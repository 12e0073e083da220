"""The parse tree of a pattern, as the ``regex`` module itself reads it.

The module keeps its parser private, so everything taken from it stands here. Where it is not as expected, there is no
tree, and a rule without a tree is always run.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import regex

Node = Any


def _private(name: str) -> Any:
    try:
        return importlib.import_module(f"regex.{name}")
    except ImportError:
        # Then the first look for anything in it fails, and there is no tree.
        return None


_regex_core = _private("_regex_core")
_regex = _private("_regex")

#: What may go wrong inside a parser that has changed, or in a pattern nested too deeply.
UNREADABLE = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError, regex.error)

_DIGIT, _SPACE = r"\d", r"\s"


def parse(pattern: regex.Pattern[str]) -> Node | None:
    """The tree of a compiled pattern, not optimised; ``None`` where it cannot be had."""
    if pattern.flags & regex.LOCALE or not understood():
        return None
    try:
        return _parse(pattern.pattern, pattern.flags & ~regex.UNICODE)
    except UNREADABLE:
        return None


def _parse(source: str, flags: int) -> Node:
    while True:
        reader = _regex_core.Source(source)
        info = _regex_core.Info(flags, reader.char_type, {})
        info.guess_encoding = regex.UNICODE
        reader.ignore_space = bool(info.flags & regex.VERBOSE)
        try:
            tree = _regex_core._parse_pattern(reader, info)
        except _regex_core._UnscopedFlagSet:
            # Flags in the middle of a pattern that hold for all of it: once more, with them.
            flags = info.global_flags
            continue
        if not reader.at_end():
            raise ValueError("the pattern goes on behind its end")
        return tree


def cases_of(char: str) -> set[str]:
    """The characters that a pattern's ``char`` matches when letter case is ignored, itself among them."""
    flags = regex.UNICODE | regex.IGNORECASE
    return {chr(code) for code in _regex.get_all_cases(flags, ord(char))} | {char}


@cache
def digits() -> frozenset[str]:
    r"""What ``\d`` matches."""
    return frozenset(regex.findall(_DIGIT, _all_characters()))


@cache
def spaces() -> frozenset[str]:
    r"""What ``\s`` matches."""
    return frozenset(regex.findall(_SPACE, _all_characters()))


def _all_characters() -> str:
    return np.arange(0x110000, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


def property_class(node: Node) -> str | None:
    r"""``"0"`` for ``\d`` (or a part of it), ``" "`` for ``\s``, ``None`` for any other property."""
    if node.positive:
        if node.value == _property(_DIGIT):
            return "0"
        if node.value == _property(_SPACE):
            return " "
    return None


@cache
def _property(escape: str) -> int:
    [node] = _parse(escape, 0).items
    return int(node.value)


@cache
def understood() -> bool:
    """Whether the installed parser gives the trees that the analysis was written for."""
    try:
        tree = _parse(r"a[b-d\s](?P<v>\d{2,3}?)(?<!e)(?:f|g){e<=1}\b", regex.IGNORECASE | regex.MULTILINE)
        letter, charset, group, look, fuzzy, boundary = tree.items
        [repeat], [behind] = group.subpattern.items, look.subpattern.items
        kinds = [type(node).__name__ for node in (tree, letter, charset, group, look, fuzzy, boundary, repeat)]
        expected = ["Sequence", "Character", "SetUnion", "Group", "LookAround", "Fuzzy", "Boundary", "LazyRepeat"]
        return (
            kinds == expected
            and (letter.value, letter.positive, letter.zerowidth) == (ord("a"), True, False)
            and letter.case_flags == regex.IGNORECASE
            and (charset.positive, charset.items[0].lower, charset.items[0].upper) == (True, ord("b"), ord("d"))
            and property_class(charset.items[1]) == " "
            and (repeat.min_count, repeat.max_count, property_class(repeat.subpattern)) == (2, 3, "0")
            and (look.behind, look.positive, behind.value) == (True, False, ord("e"))
            and [len(fuzzy.subpattern.branches), fuzzy.constraints["e"]] == [2, (0, 1)]
            and isinstance(boundary, _regex_core.ZeroWidthBase)
            and cases_of("s") == {"s", "S", "\u017f"}
        )
    except UNREADABLE:
        return False


def class_of(node: Node) -> str:
    """The name of a node's class."""
    return type(node).__name__


def kind_of(node: Node) -> str:
    """The name of a node's class; ``"ZeroWidth"`` for all that look at a place without a pattern of their own."""
    return "ZeroWidth" if isinstance(node, _regex_core.ZeroWidthBase) else class_of(node)


def folds_fully(node: Node) -> bool:
    """Whether one character may match several when letter case is ignored: ``ß`` and ``ss`` under the flag ``f``."""
    full = regex.FULLCASE | regex.IGNORECASE
    return bool((node.case_flags & full) == full)
