"""Quick F1 of a tagger while it is being trained: best candidates against labels, by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gateway.document import Candidate
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import count_documents, total
from gateway.task import TaskSpec
from gateway.tiers.decode import propose
from gateway.tiers.encoding import Encoding, TextEncoder, Window
from gateway.tiers.forms import Forms
from gateway.tiers.model import ModelTier
from gateway.tiers.student import onnx_tagger
from gateway.tiers.windows import WindowChooser
from training.teacher import token_probabilities


def f1_of(
    documents: Sequence[LabelledDocument],
    encodings: Sequence[Encoding],
    probabilities: Sequence[NDArray[np.float32]],
    task: TaskSpec,
    forms: Forms,
) -> dict[str, float]:
    """Normalised F1 (0 to 100) of the best candidates, by field and ``micro``; unannotated fields are skipped."""
    specs = list(task.fields.values())
    answers: list[dict[str, Sequence[Candidate]]] = []
    for document, encoding, probability in zip(documents, encodings, probabilities, strict=True):
        proposals = propose(document.text, encoding.offsets, probability, specs, forms, "student", options=task.options)
        answers.append(
            {
                name: proposals[name].candidates if field.many else proposals[name].candidates[:1]
                for name, field in task.fields.items()
            }
        )
    counts = count_documents(task, documents, answers, "normalised")
    parts = {"micro": counts, **{name: counts[:, column] for column, name in enumerate(task.fields)}}
    return {name: 100.0 * (total(part).f1 or 0.0) for name, part in parts.items()}


def _prepare(
    documents: Sequence[LabelledDocument], encoder: TextEncoder, task: TaskSpec, chooser: WindowChooser | None
) -> tuple[list[Encoding], list[list[Window]]]:
    """The documents' tokens, and their windows that a tier would read."""
    encodings = [encoder.encode(document.text, document.context) for document in documents]
    windows = [encoder.windows(encoding) for encoding in encodings]
    if chooser is not None:
        windows = [
            chooser.chosen(document.text, encoding, every, list(task.fields))
            for document, encoding, every in zip(documents, encodings, windows, strict=True)
        ]
    return encodings, windows


def network_scorer(
    documents: Sequence[LabelledDocument],
    encoder: TextEncoder,
    pad_id: int,
    task: TaskSpec,
    forms: Forms,
    chooser: WindowChooser | None = None,
) -> Callable[[nn.Module, int], dict[str, float]]:
    """A callback for the training loop: the network's F1 on ``documents``, as :func:`f1_of` gives it."""
    encodings, windows = _prepare(documents, encoder, task, chooser)

    def score(network: nn.Module, _epoch: int) -> dict[str, float]:
        found = token_probabilities(network, encoder, encodings, pad_id, description="scoring", windows=windows)
        return f1_of(documents, encodings, found, task, forms)

    return score


def onnx_scorer(
    documents: Sequence[LabelledDocument],
    encoder: TextEncoder,
    pad_id: int,
    task: TaskSpec,
    forms: Forms,
    chooser: WindowChooser | None = None,
    threads: int = 0,
) -> Callable[[Path], float]:
    """Micro F1 (0 to 100) of an ONNX file on ``documents``; ``threads`` of its session, 0: one for each core."""
    encodings, windows = _prepare(documents, encoder, task, chooser)

    def score(model: Path) -> float:
        tier = ModelTier(
            "student", "", task, tuple(task.fields), encoder, onnx_tagger(model, threads), forms, pad_id, "float"
        )
        found = [tier.probabilities([encoding], [read])[0] for encoding, read in zip(encodings, windows, strict=True)]
        return f1_of(documents, encodings, found, task, forms)["micro"]

    return score
