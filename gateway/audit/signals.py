"""What can be seen of a document and its answer without a label: cheap figures, as whole numbers on fixed scales.

The scales are the same for every task and never fitted, which the test of :mod:`gateway.audit.conformal` needs. For the
same reason nothing that thresholds decide is among them (which tier answered, how sure it was when it did): they were
chosen on the calibration documents, which are the reference, so that these and later ones are not exchangeable in it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from collections.abc import Iterable
from typing import Any

from gateway.cascade import Extraction
from gateway.task import TaskSpec

#: What a reference and the traffic are compared by.
SIGNALS = (
    "length",
    "line-length",
    "non-ascii",
    "lower-case",
    "digits",
    "unknown-words",
    "rules-found",
)
#: Characters of a text that are looked at; more would only cost time.
CHARACTERS = 20_000
_WORD = re.compile(r"[^\W\d_]{3,}")


class Vocabulary:
    """The words of a collection of texts, as a table of bits: a word is known when its bit is set.

    A few unknown words pass as known (as many as the table is full); for a share that does not matter.
    """

    BITS = 1 << 17

    def __init__(self, table: bytes | None = None) -> None:
        if table is not None and len(table) != self.BITS // 8:
            raise ValueError(f"a vocabulary has {self.BITS // 8} bytes")
        self._table = bytearray(table if table is not None else self.BITS // 8)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """The words of three letters or more, without regard to case."""
        vocabulary = cls()
        for text in texts:
            for word in _words(text):
                bit = cls._bit(word)
                vocabulary._table[bit >> 3] |= 1 << (bit & 7)
        return vocabulary

    @classmethod
    def _bit(cls, word: str) -> int:
        return zlib.crc32(word.encode("utf-8", "surrogatepass")) % cls.BITS

    def __contains__(self, word: str) -> bool:
        bit = self._bit(word)
        return bool(self._table[bit >> 3] >> (bit & 7) & 1)

    def unknown_share(self, text: str) -> float:
        """Share of the text's words that are not known; 0 for a text without words."""
        words = _words(text)
        return sum(word not in self for word in words) / len(words) if words else 0.0

    def as_text(self) -> str:
        """For JSON: compressed, in base 64."""
        return base64.b64encode(zlib.compress(bytes(self._table), 9)).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Vocabulary:
        """Raises ``ValueError`` when it is none."""
        try:
            return cls(zlib.decompress(base64.b64decode(text, validate=True)))
        except (zlib.error, binascii.Error) as error:
            raise ValueError(f"not a vocabulary ({error})") from error


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text[:CHARACTERS])]


def signals_of(text: str, extraction: Extraction, vocabulary: Vocabulary) -> dict[str, int]:
    """The signals of one answered document; about 0.1 ms for a receipt."""
    part = text[:CHARACTERS]
    letters = sum(map(str.isalpha, part))
    ascii_count = sum(map(str.isascii, part)) if not part.isascii() else len(part)
    lines = part.count("\n") + 1
    return {
        "length": _octaves(len(text)),
        "line-length": _octaves(len(part) / lines),
        "non-ascii": _share(1.0 - ascii_count / max(1, len(part))),
        "lower-case": _share(sum(map(str.islower, part)) / max(1, letters)),
        "digits": _share(sum(map(str.isdecimal, part)) / max(1, len(part))),
        "unknown-words": _share(vocabulary.unknown_share(part)),
        "rules-found": _share(_rules_found(extraction)),
    }


def comparable(task: TaskSpec, extraction: Extraction) -> bool:
    """Whether an answer can be compared with those of the reference, which were asked for all fields.

    Of some fields, or without the rules, rules find another share whatever the document.
    """
    everything = len(extraction.fields) == len(task.fields)
    return everything and ("rules" in extraction.tiers or "rules" not in task.tiers)


def _rules_found(extraction: Extraction) -> float:
    """The share of fields that rules found something for."""
    found = sum(bool(evidence.answers.get("rules")) for evidence in extraction.evidence.values())
    return found / max(1, len(extraction.fields))


def _octaves(amount: float) -> int:
    """Eight steps a doubling."""
    return round(8 * math.log2(max(1.0, amount)))


def _share(share: float) -> int:
    """0 to 64; finer near 0, where most shares are."""
    return round(64 * math.sqrt(min(1.0, max(0.0, share))))


def checked_counts(raw: Any) -> dict[str, dict[int, int]]:
    """Counts by signal as read from JSON.

    Raises:
        ValueError: a signal is missing or unknown, or a count is not a whole number above 0.
    """
    counts = {str(name): {int(score): int(count) for score, count in found.items()} for name, found in raw.items()}
    if set(counts) != set(SIGNALS) or any(count < 1 for found in counts.values() for count in found.values()):
        raise ValueError(f"counts are needed for {', '.join(SIGNALS)}")
    return counts
