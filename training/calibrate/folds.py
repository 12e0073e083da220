"""Out-of-fold predictions: what models say of documents that they did not learn from, for every training document.

The combiners have to know how far a tier can be trusted, and a model's word about the documents it was trained on says
nothing of that. So the training documents are dealt into folds; for each fold a teacher and a student are trained on
the other folds, the student from the teacher of the same fold, and asked about the fold that is left. The models that
are served are trained on all of them and are somewhat better, so combiners fitted this way err towards doubt.

What is kept is spans and scores (``out_of_fold.json`` beside the models), no text: with the documents at hand the
candidates are made again from them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.document import TIERS, Candidate, Proposal, TierName, TierOutput
from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.files import write_json
from gateway.task import TaskSpec
from gateway.tiers.decode import candidate_at
from gateway.tiers.forms import Forms
from training.calibrate.outputs import Observed

FORMAT = 1
#: The tiers that are trained; rules are run again instead.
TRAINED: tuple[TierName, ...] = ("student", "large")


def make_folds(documents: Sequence[LabelledDocument], count: int, seed: int) -> list[list[LabelledDocument]]:
    """Deal documents into ``count`` folds of nearly equal size; equal texts go to one fold.

    Folds are drawn by document and not by group (merchant, author): like the documents to come, most of a fold's
    documents have siblings among the others.

    Raises:
        ValueError: fewer different texts than folds, or fewer than two folds.
    """
    digests = sorted({document.text_digest for document in documents})
    if not 2 <= count <= len(digests):
        raise ValueError(f"{len(digests)} different documents cannot be dealt into {count} folds")
    random.Random(seed).shuffle(digests)
    fold_of = {digest: index % count for index, digest in enumerate(digests)}
    folds: list[list[LabelledDocument]] = [[] for _ in range(count)]
    for document in documents:
        folds[fold_of[document.text_digest]].append(document)
    return folds


def save_predictions(
    path: Path,
    task: TaskSpec,
    observed: Sequence[Observed],
    about: Mapping[str, Any],
    folds: Mapping[str, int] | None = None,
) -> None:
    """Keep what the trained tiers said, atomically: spans and scores by document, tier and field.

    Args:
        folds: document id to the number of its fold.
    """
    kept = {
        item.document.id: {
            "text": item.document.text_digest,
            "fold": (folds or {}).get(item.document.id, 0),
            "tiers": {
                tier: {
                    name: [[list(candidate.spans[0]), round(candidate.score, 5)] for candidate in proposal.candidates]
                    for name, proposal in output.proposals.items()
                    if proposal.candidates
                }
                for tier, output in item.outputs.items()
                if tier in TRAINED
            },
        }
        for item in observed
    }
    write_json(path, {"format": FORMAT, "task": task.name, "about": dict(about), "documents": kept})


def load_predictions(
    path: Path, task: TaskSpec, forms: Forms, documents: Sequence[LabelledDocument]
) -> dict[str, dict[TierName, TierOutput]]:
    """What :func:`save_predictions` kept, by document id, for those of ``documents`` whose text is still the same.

    Raises:
        DatasetError: the file is damaged, or belongs to another task.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        if raw["format"] != FORMAT or raw["task"] != task.name:
            raise ValueError(f"format {raw['format']} of task {raw['task']}")
        found: dict[str, dict[TierName, TierOutput]] = {}
        for document in documents:
            kept = raw["documents"].get(document.id)
            if kept is not None and kept["text"] == document.text_digest:
                found[document.id] = {
                    tier: TierOutput(_proposals(kept["tiers"][tier], tier, task, forms, document.text))
                    for tier in TIERS
                    if tier in kept["tiers"]
                }
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DatasetError(f"{path}: not out-of-fold predictions of {task.name} ({error})") from error


def load_folds(path: Path) -> dict[str, int]:
    """The number of each document's fold in a file that :func:`load_predictions` can read; 0 where it does not say."""
    documents = json.loads(path.read_text("utf-8"))["documents"]
    return {identifier: int(kept.get("fold", 0)) for identifier, kept in documents.items()}


def _proposals(kept: Mapping[str, Any], tier: TierName, task: TaskSpec, forms: Forms, text: str) -> dict[str, Proposal]:
    proposals: dict[str, Proposal] = {}
    for name, spans in kept.items():
        if name not in task.fields:
            continue
        candidates: list[Candidate] = []
        for (start, end), score in spans:
            candidate = candidate_at(text, (int(start), int(end)), score, task.fields[name], forms, tier, task.options)
            if candidate is not None:
                candidates.append(candidate)
        proposals[name] = Proposal(tuple(candidates))
    return proposals


def predict_out_of_fold(
    folds: Sequence[Sequence[LabelledDocument]],
    run_fold: Callable[[int, Sequence[LabelledDocument], Sequence[LabelledDocument]], Sequence[Observed]],
) -> list[Observed]:
    """Every document's observation by the models of the other folds.

    Args:
        run_fold: from a fold's number, the documents to learn from and those to be asked about, to what the trained
            models say of the latter.
    """
    observed: list[Observed] = []
    for number, held_out in enumerate(folds):
        rest = [document for other, fold in enumerate(folds) if other != number for document in fold]
        observed += run_fold(number, rest, held_out)
    return observed
