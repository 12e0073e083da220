"""Characters as conditions see them: all that a pattern cannot tell apart become one.

Letters are one with all their cases, every digit is ``0``, and white space a blank, several of them too. Conditions are
coarser for it, never wrong: a text whose pieces a pattern matches has, folded, the pattern's folded pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.tiers.rules.prefilter.parsing import cases_of, digits, spaces

_CODES = 0x110000
#: Bytes that stand for characters of literals other than the blank; 0 stands for all characters of no literal.
_BYTES = bytes(byte for byte in range(1, 256) if not bytes((byte,)).isspace())
_BLANK = b" "


class Folding:
    """Folds the characters of patterns, and remembers them."""

    def __init__(self) -> None:
        self._folded: dict[str, str] = {}
        self._members: dict[str, frozenset[str]] = {"0": digits(), " ": spaces()}

    def fold(self, char: str) -> str:
        """The character that stands for ``char`` and all that letter case makes of it."""
        known = self._folded.get(char)
        if known is None:
            known = self._find(char)
            self._folded[char] = known
        return known

    def _find(self, char: str) -> str:
        for name in ("0", " "):
            if char in self._members[name]:
                return name
        # What letter case makes of i, and of that again, is more than what it makes of i.
        members, new = {char}, {char}
        while new:
            new = {case for member in new for case in cases_of(member)} - members
            members |= new
        name = min(members, key=lambda member: (not member.islower(), ord(member)))
        self._members[name] = frozenset(members)
        return name

    def members(self, name: str) -> frozenset[str]:
        """All characters that fold to ``name``."""
        return self._members.get(name) or frozenset((name,))


class Alphabet:
    """Folds texts into bytes, one byte a character. ``names`` are the folded characters that literals consist of.

    Where there are more of them than bytes, some share a byte: coarser again, and still never wrong.
    """

    def __init__(self, folding: Folding, names: Iterable[str]) -> None:
        letters = sorted(set(names) - {" "})
        self._bytes = {name: _BYTES[number % len(_BYTES)] for number, name in enumerate(letters)} | {" ": ord(_BLANK)}
        self._table: NDArray[np.uint8] = np.zeros(_CODES, np.uint8)
        for name, byte in self._bytes.items():
            for member in folding.members(name):
                self._table[ord(member)] = byte
        self._ascii = self._table[:256].tobytes()

    def encode(self, folded: str) -> bytes:
        """A literal, whose characters are folded."""
        return bytes(self._bytes[char] for char in folded)

    def fold(self, text: str) -> FoldedText:
        """A text, one byte a character, several blanks in a row made one."""
        if text.isascii():
            folded = text.encode("ascii").translate(self._ascii)
        else:
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
            found: NDArray[np.uint8] = self._table[codes]
            folded = found.tobytes()
        if _BLANK * 2 not in folded:
            return FoldedText(folded)
        # At its ends a text gets a blank where it has none, which can only wake a rule.
        return FoldedText(_BLANK + _BLANK.join(folded.split()) + _BLANK, folded)


@dataclass(frozen=True)
class FoldedText:
    """A folded text; ``spaced`` is the same with all its blanks, where any were left out."""

    content: bytes
    spaced: bytes | None = None

    def origins(self, positions: list[int]) -> list[int]:
        """Where in the text itself the characters at these positions, none of them a blank, stand."""
        if self.spaced is None:
            return positions
        codes = np.frombuffer(self.spaced, np.uint8)
        blank = codes == ord(_BLANK)
        kept = np.ones(len(codes), np.bool_)
        kept[1:] = ~(blank[1:] & blank[:-1])
        added = 0 if blank[0] else 1
        origins: list[int] = np.flatnonzero(kept)[np.array(positions, np.intp) - added].tolist()
        return origins
