"""A linear-chain conditional random field a field: the plain, quick tagger that a student must beat.

Fields overlap, so each has a chain of its own, over the tags outside, begin and inside. What comes out are the tags'
marginal probabilities, which the same decoder reads that reads a student's, so that both are compared with all else
equal: alignment, known ways of writing values, and how candidates are made.

Sources: Lafferty, McCallum & Pereira 2001, "Conditional Random Fields"; CRFsuite (Okazaki 2007) by python-crfsuite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycrfsuite  # type: ignore[import-untyped]
from numpy.typing import NDArray

from gateway.evaluation.dataset import LabelledDocument
from gateway.files import replacing
from gateway.tiers.encoding import Encoding
from training.baselines.features import features_of, words_of
from training.examples import BEGIN, INSIDE, OUTSIDE, token_range

TAGS = {OUTSIDE: "outside", BEGIN: "begin", INSIDE: "inside"}


@dataclass(frozen=True)
class CrfSettings:
    """Weights of the penalties (``l1``: on sizes, which leaves features out; ``l2``: on squares) and most steps."""

    l1: float = 0.1
    l2: float = 0.01
    iterations: int = 100


class Crf:
    """Trained chains, one a field.

    Args:
        fields: in the order of the probabilities' second axis.
        models: each field's file; a field without one was never seen with a value and is always absent.
    """

    def __init__(self, fields: Sequence[str], models: Mapping[str, Path]) -> None:
        self.fields = tuple(fields)
        self._taggers: dict[str, pycrfsuite.Tagger] = {}
        for name, path in models.items():
            tagger = pycrfsuite.Tagger()
            tagger.open(str(path))
            self._taggers[name] = tagger

    def encode(self, document: LabelledDocument) -> Encoding:
        """The document's words as tokens; they have no numbers."""
        offsets = words_of(document.text)
        return Encoding(np.zeros(len(offsets), dtype=np.int64), offsets)

    def probabilities(self, document: LabelledDocument, encoding: Encoding) -> NDArray[np.float32]:
        """``[words, fields, 3]`` probabilities of outside, begin and inside."""
        found = np.zeros((len(encoding), len(self.fields), len(TAGS)), dtype=np.float32)
        found[..., OUTSIDE] = 1.0
        if not len(encoding):
            return found
        items = pycrfsuite.ItemSequence(features_of(document.text, encoding.offsets, document.context))
        for column, name in enumerate(self.fields):
            tagger = self._taggers.get(name)
            if tagger is None:
                continue
            tagger.set(items)
            known = set(tagger.labels())
            for tag, label in TAGS.items():
                found[:, column, tag] = (
                    [tagger.marginal(label, position) for position in range(len(encoding))] if label in known else 0.0
                )
        return found


def tags_of(offsets: NDArray[np.int32], spans: Sequence[tuple[int, int]]) -> list[str]:
    """One field's tag of each word: those of ``spans`` (characters) begin or are inside, the others outside."""
    tags = [TAGS[OUTSIDE]] * len(offsets)
    for start, end in spans:
        words = token_range(offsets, start, end)
        if words is not None:
            tags[words[0] : words[1]] = [TAGS[BEGIN], *[TAGS[INSIDE]] * (words[1] - words[0] - 1)]
    return tags


def train_crf(
    documents: Sequence[LabelledDocument],
    spans: Sequence[Mapping[str, Sequence[tuple[int, int]]]],
    fields: Sequence[str],
    directory: Path,
    settings: CrfSettings | None = None,
) -> Crf:
    """Train a chain for every field and write each to ``directory/FIELD.crfsuite``.

    Training draws nothing at random: the same documents give the same models.

    Args:
        spans: for each document, field to character spans; a field that is missing is not annotated there and the
            document teaches nothing for it.
    """
    settings = settings or CrfSettings()
    offsets = [words_of(document.text) for document in documents]
    items = [
        pycrfsuite.ItemSequence(features_of(document.text, words, document.context))
        for document, words in zip(documents, offsets, strict=True)
    ]
    models: dict[str, Path] = {}
    for name in fields:
        trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
        trainer.set_params(
            {
                "c1": settings.l1,
                "c2": settings.l2,
                "max_iterations": settings.iterations,
                # A transition that was never seen is improbable, and not merely unknown.
                "feature.possible_transitions": True,
            }
        )
        has_value = False
        for words, sequence, found in zip(offsets, items, spans, strict=True):
            if name in found and len(words):
                tags = tags_of(words, found[name])
                has_value |= TAGS[BEGIN] in tags
                trainer.append(sequence, tags)
        if has_value:
            models[name] = directory / f"{name}.crfsuite"
            with replacing(models[name]) as temporary:
                trainer.train(str(temporary))
    return Crf(fields, models)
