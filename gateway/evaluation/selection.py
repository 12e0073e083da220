"""Which documents of a data file are evaluated, and in which groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.split import TRAINED_ON, Split
from gateway.policy import Policy

#: The part that is calibrated on where no policy says which was.
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
    policy: Policy | None = None,
) -> Selection:
    """The documents of ``data``, or of one ``part``, at most ``limit`` of them.

    Without a split there is nothing to choose by: all documents are taken, each a group of its own. ``policy`` is what
    they are to be judged by: where its thresholds were chosen on them, the notes say so.

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
        return Selection(
            tuple(chosen), tuple(document.id for document in chosen), (note, *_calibrated_on(None, chosen, policy))
        )
    split = Split.load(split_path)
    if split.task != task:
        raise DatasetError(f'{split_path}: belongs to task "{split.task}"')
    chosen = (documents if part is None else split.select(documents, part))[:limit]
    if not allow_seen:
        split.refuse_seen(chosen)
    notes = (*_trained_on(split, chosen), *_calibrated_on(split, chosen, policy))
    return Selection(tuple(chosen), tuple(split.group_of(document) for document in chosen), notes)


def documents_digest(documents: Iterable[LabelledDocument]) -> str:
    """One digest over ids, texts and labels, whatever the order."""
    digest = hashlib.sha256()
    for document in sorted(documents, key=lambda document: document.id):
        digest.update(repr((document.id, document.text, sorted(document.labels.items()))).encode())
    return digest.hexdigest()


def _trained_on(split: Split, chosen: Sequence[LabelledDocument]) -> tuple[str, ...]:
    trained_on = _belonging(split, chosen, TRAINED_ON)
    if not trained_on:
        return ()
    return (f"{trained_on} of these documents were used to train this task: all figures flatter it",)


def _calibrated_on(split: Split | None, chosen: Sequence[LabelledDocument], policy: Policy | None) -> tuple[str, ...]:
    """A note where thresholds were chosen on some of these documents: by the parts that the policy names, and where no
    part says so, by the digest of all documents it was calibrated with."""
    abouts = [each.about for each in (policy, *policy.variants)] if policy is not None else [{}]
    parts = list(dict.fromkeys(str(about.get("part") or CALIBRATION) for about in abouts))
    count = _belonging(split, chosen, parts) if split is not None else 0
    where = f"of part {' and '.join(parts)}"
    if not count:
        same = documents_digest(chosen)
        if any((about.get("calibration") or {}).get("sha256") == same for about in abouts):
            count, where = len(chosen), "the calibration documents"
    if not count:
        return ()
    return (
        f"{count} of these documents are {where}, on which thresholds were chosen:"
        " errors among accepted come out too good",
    )


def _belonging(split: Split, chosen: Sequence[LabelledDocument], parts: Sequence[str]) -> int:
    digests = {digest for part in parts for digest in split.parts.get(part, {}).values()}
    return sum(document.text_digest in digests for document in chosen)
