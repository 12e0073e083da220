"""Which documents of a data file are evaluated, and in which groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.split import TRAINED_ON, Split

CALIBRATION = "calibration"


@dataclass(frozen=True)
class Selection:
    """The documents chosen, the group of each, and what a reader of figures on them should know."""

    documents: tuple[LabelledDocument, ...]
    groups: tuple[str, ...]
    notes: tuple[str, ...]


def select_documents(
    data: Path,
    task: str,
    split_path: Path,
    *,
    part: str | None = None,
    allow_seen: bool = False,
    limit: int | None = None,
) -> Selection:
    """The documents of ``data``, or of one ``part``, at most ``limit`` of them.

    Without a split there is nothing to choose by: all documents are taken, each a group of its own.

    Raises:
        DatasetError: unreadable data or split, no such part, or a split of another task.
        SeenDocuments: some were used to train the task, and not ``allow_seen``.
    """
    documents = read_dataset(data)
    if part is None and not split_path.exists():
        chosen = documents[:limit]
        note = (
            "this task has no split.json: intervals are over documents,"
            " and whether the task was trained on them is not known"
        )
        return Selection(tuple(chosen), tuple(document.id for document in chosen), (note,))
    split = Split.load(split_path)
    if split.task != task:
        raise DatasetError(f'{split_path}: belongs to task "{split.task}"')
    chosen = (documents if part is None else split.select(documents, part))[:limit]
    if not allow_seen:
        split.refuse_seen(chosen)
    return Selection(tuple(chosen), tuple(split.group_of(document) for document in chosen), _notes(split, chosen))


def _notes(split: Split, chosen: Sequence[LabelledDocument]) -> tuple[str, ...]:
    notes = []
    trained_on = _belonging(split, chosen, TRAINED_ON)
    if trained_on:
        notes.append(f"{trained_on} of these documents were used to train this task: all figures flatter it")
    calibrated_on = _belonging(split, chosen, (CALIBRATION,))
    if calibrated_on:
        notes.append(
            f"{calibrated_on} of these documents are of part calibration, on which thresholds were chosen:"
            " errors among accepted come out too good"
        )
    return tuple(notes)


def _belonging(split: Split, chosen: Sequence[LabelledDocument], parts: Sequence[str]) -> int:
    digests = {digest for part in parts for digest in split.parts.get(part, {}).values()}
    return sum(document.text_digest in digests for document in chosen)
