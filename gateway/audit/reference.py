"""``models/<task>/reference.json``: what calibration documents look like, and how often the large tier agrees with
accepted answers of labelled ones.

``cascade audit reference`` writes it. It holds counts and a table of hashed words, no text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit.agreement import Agreement
from gateway.audit.signals import SIGNALS, Vocabulary, checked_counts, signals_of
from gateway.cascade import Extraction
from gateway.errors import PolicyError
from gateway.files import write_json

FORMAT = 2
FILE = "reference.json"


@dataclass(frozen=True)
class Reference:
    """Counts of each signal's values over ``documents`` documents, the known words, and agreement by field and level
    (:func:`gateway.audit.agreement.level_name`), measured on documents of ``agreement_part``.

    ``promise`` is that of the task the documents were answered with (:attr:`gateway.loaded.LoadedTask.promise`):
    agreement holds for it only, and what rules find shifts when they change.
    """

    task: str
    documents: int
    signals: Mapping[str, Mapping[int, int]]
    vocabulary: Vocabulary
    agreement: Mapping[str, Mapping[str, Agreement]] = field(default_factory=dict)
    promise: str | None = None
    agreement_part: str | None = None

    def save(self, path: Path) -> None:
        """Write it atomically."""
        write_json(
            path,
            {
                "format": FORMAT,
                "task": self.task,
                "documents": self.documents,
                "promise": self.promise,
                "agreement_part": self.agreement_part,
                "agreement": agreement_json(self.agreement),
                "signals": {
                    name: {str(score): count for score, count in sorted(counts.items())}
                    for name, counts in self.signals.items()
                },
                "vocabulary": self.vocabulary.as_text(),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Reference | None:
        """Read it; ``None`` where there is none.

        Raises:
            PolicyError: it is malformed or of another format.
        """
        try:
            raw = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise PolicyError(f"{path}: cannot be read ({error})") from error
        try:
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']!r}, not {FORMAT}: `cascade audit reference` makes it anew")
            return cls(
                task=str(raw["task"]),
                documents=int(raw["documents"]),
                signals=checked_counts(raw["signals"]),
                vocabulary=Vocabulary.from_text(raw["vocabulary"]),
                agreement={
                    str(name): {str(level): Agreement.from_json(counts) for level, counts in levels.items()}
                    for name, levels in raw["agreement"].items()
                },
                promise=raw["promise"],
                agreement_part=raw["agreement_part"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PolicyError(f"{path}: malformed ({error!r})") from error


def agreement_json(agreement: Mapping[str, Mapping[str, Agreement]]) -> dict[str, dict[str, dict[str, int]]]:
    """Field → level → counts."""
    return {name: {level: counts.as_json() for level, counts in levels.items()} for name, levels in agreement.items()}


def reference_of(
    task: str,
    answered: Iterable[tuple[str, Extraction]],
    known_texts: Iterable[str],
    *,
    agreement: Mapping[str, Mapping[str, Agreement]] | None = None,
    promise: str | None = None,
    agreement_part: str | None = None,
) -> Reference:
    """The reference of a task.

    Args:
        task: its name.
        answered: texts like those the promise was made for, and what the cascade made of them.
        known_texts: texts whose words count as known. None of them may be among ``answered``: their words would all
            be known, and those of any other document would stand out.
        agreement, promise, agreement_part: see :class:`Reference`.
    """
    vocabulary = Vocabulary.of(known_texts)
    counts: dict[str, Counter[int]] = {name: Counter() for name in SIGNALS}
    documents = 0
    for text, extraction in answered:
        documents += 1
        for name, score in signals_of(text, extraction, vocabulary).items():
            counts[name][score] += 1
    return Reference(task, documents, counts, vocabulary, dict(agreement or {}), promise, agreement_part)
