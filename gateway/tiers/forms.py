"""From the text a model marked to the form labels use.

White space (line breaks among it) becomes single blanks. Beyond that, values seen in the training part are written as
they were labelled there: a marked text that differs from a known value only in case, commas, full stops and blanks
takes the known value's usual writing; one that is nearly the same, with the same digits, is taken for a misreading of
it. See ``training.forms`` for how ``forms.json`` is made and what it brings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rapidfuzz import fuzz, process

from gateway.errors import ModelCorrupt
from gateway.files import write_json
from gateway.values import fold_text


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


@dataclass(frozen=True)
class KnownValues:
    """One field's known values: folded text to its usual writing; ``least`` is the similarity (0 to 100) of a
    misreading."""

    writings: Mapping[str, str]
    least: float = 97.0
    _by_digits: dict[str, list[str]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for folded in self.writings:
            self._by_digits.setdefault(_digits(folded), []).append(folded)

    def writing(self, value: str) -> str:
        """The known writing of ``value``, or ``value`` itself."""
        folded = fold_text(value)
        if folded in self.writings:
            return self.writings[folded]
        rivals: Sequence[str] = self._by_digits.get(_digits(folded), ())
        found = process.extractOne(folded, rivals, scorer=fuzz.ratio, score_cutoff=self.least) if folded else None
        return self.writings[found[0]] if found else value


@dataclass(frozen=True)
class Forms:
    """The written forms of a task's fields."""

    known: Mapping[str, KnownValues] = field(default_factory=dict)

    def value(self, name: str, verbatim: str) -> str:
        """The value to answer for a marked text."""
        joined = " ".join(verbatim.split())
        return self.known[name].writing(joined) if name in self.known else joined

    def _raw(self) -> dict[str, dict[str, object]]:
        return {name: {"least": known.least, "writings": dict(known.writings)} for name, known in self.known.items()}

    @property
    def digest(self) -> str:
        """SHA-256 of the content: forms shape a model tier's answers, so they are part of its version."""
        return hashlib.sha256(json.dumps(self._raw(), sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write forms.json atomically."""
        write_json(path, self._raw())

    @classmethod
    def load(cls, path: Path) -> Forms:
        """Read forms.json; without the file only white space is joined.

        Raises:
            ModelCorrupt: the file is malformed.
        """
        if not path.is_file():
            return cls()
        try:
            raw = json.loads(path.read_text("utf-8"))
            for entry in raw.values():
                if not all(isinstance(writing, str) for writing in entry["writings"].values()):
                    raise TypeError("writings must be a mapping from text to text")
            return cls({name: KnownValues(entry["writings"], float(entry["least"])) for name, entry in raw.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelCorrupt(f"{path}: malformed ({error!r})") from error
