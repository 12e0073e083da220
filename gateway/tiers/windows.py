"""Which windows of a long document are worth a model's time.

In a contract of forty pages the parties stand on the first and the governing law near the end. A linear model over the
words of a window and its place in the document says how probably it holds a value of each field; a model tier then
reads only windows that are probable enough for a field it was asked for. What is not read counts as outside every
value, for training and serving alike, so thresholds are certified for what is really read. See ``training.windows`` for
how ``windows.json`` is made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

from gateway.document import Span
from gateway.errors import ModelCorrupt
from gateway.files import write_json
from gateway.tiers.encoding import Encoding, Window

#: A document is cut into this many equal parts to say where a window stands.
PLACES = 10
#: The file's name, beside a task's models.
WINDOWS = "windows.json"
_WORD = regex.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """The different words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower()))


def places_of(window: Span, length: int, *, first: bool, last: bool) -> list[str]:
    """Where a window stands in a document of ``length`` characters: the tenths it touches, whether first or last."""
    start, end = (
        min(PLACES - 1, PLACES * edge // max(1, length)) for edge in (window[0], max(window[0], window[1] - 1))
    )
    places = [f"tenth-{tenth}" for tenth in range(start, end + 1)]
    return [*places, *(["first"] if first else []), *(["last"] if last else [])]


@dataclass(frozen=True)
class FieldWindows:
    """One field's model: log-odds are ``bias`` and the weights of the window's words and places. Of a document the
    ``most`` most probable windows are read, those of them whose probability is at least ``least``."""

    bias: float
    words: Mapping[str, float]
    places: Mapping[str, float]
    least: float
    most: int

    def probability(self, words: frozenset[str], places: Sequence[str]) -> float:
        """That a window with these words at this place holds a value of the field."""
        total = self.bias + sum(self.places.get(place, 0.0) for place in places)
        # The smaller set is gone through: windows have hundreds of words, and so has a field.
        total += sum(self.words[word] for word in words if word in self.words)
        return 1.0 / (1.0 + math.exp(-total)) if total >= 0 else math.exp(total) / (1.0 + math.exp(total))


@dataclass(frozen=True)
class WindowChooser:
    """All fields' models. A field without one has every window read.

    ``from_windows``: documents of fewer windows are read whole.
    """

    fields: Mapping[str, FieldWindows] = field(default_factory=dict)
    from_windows: int = 3

    def choose(self, text: str, windows: Sequence[Span], wanted: Sequence[str]) -> dict[str, list[int]]:
        """For each of the fields ``wanted`` the indices of the windows worth reading, in order; never none.

        Args:
            windows: the characters of each window.
        """
        every = list(range(len(windows)))
        if len(windows) < self.from_windows:
            return dict.fromkeys(wanted, every)
        features = [
            (
                words_of(text[slice(*window)]),
                places_of(window, len(text), first=index == 0, last=index == len(windows) - 1),
            )
            for index, window in enumerate(windows)
        ]
        chosen: dict[str, list[int]] = {}
        for name in wanted:
            model = self.fields.get(name)
            if model is None:
                chosen[name] = every
                continue
            found = [model.probability(*feature) for feature in features]
            # Of equally probable windows the first; and the most probable one is read whatever its probability: a model
            # decides better than a list of words.
            order = sorted(range(len(found)), key=lambda index: (-found[index], index))
            likely = {index for index in order[: model.most] if found[index] >= model.least}
            chosen[name] = sorted({order[0], *likely})
        return chosen

    def chosen(self, text: str, encoding: Encoding, windows: Sequence[Window], wanted: Sequence[str]) -> list[Window]:
        """The windows worth reading for the fields ``wanted``."""
        chosen = self.choose(text, encoding.characters(windows), wanted)
        return [windows[index] for index in sorted(set().union(*chosen.values()))]

    def _raw(self) -> dict[str, Any]:
        return {
            "from_windows": self.from_windows,
            "fields": {
                name: {
                    "bias": model.bias,
                    "least": model.least,
                    "most": model.most,
                    "places": dict(model.places),
                    "words": dict(model.words),
                }
                for name, model in self.fields.items()
            },
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the content: what a tier reads shapes its answers, so it is part of its version."""
        return hashlib.sha256(json.dumps(self._raw(), sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write windows.json atomically."""
        write_json(path, self._raw())

    @classmethod
    def load(cls, path: Path) -> WindowChooser | None:
        """Read windows.json; ``None`` without the file: every window is read then.

        Raises:
            ModelCorrupt: the file is malformed.
        """
        if not path.is_file():
            return None
        try:
            raw = json.loads(path.read_text("utf-8"))
            return cls(
                {name: _field(entry) for name, entry in raw["fields"].items()}, from_windows=int(raw["from_windows"])
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelCorrupt(f"{path}: malformed ({error!r})") from error


def _field(raw: Mapping[str, Any]) -> FieldWindows:
    weights = [raw["bias"], raw["least"], *raw["words"].values(), *raw["places"].values()]
    if not all(isinstance(weight, (int, float)) and math.isfinite(weight) for weight in weights):
        raise TypeError("weights must be numbers")
    most = int(raw["most"])
    if most < 1:
        raise ValueError("most: at least one window must be read")
    return FieldWindows(float(raw["bias"]), dict(raw["words"]), dict(raw["places"]), float(raw["least"]), most)
