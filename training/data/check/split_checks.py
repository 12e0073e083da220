"""What parts of a split share that they should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.split import TRAINED_ON, Split
from training.data.check.codes import Findings

Pairs = Sequence[tuple[int, int, float]]


def check_split(documents: Sequence[LabelledDocument], split: Split, pairs: Pairs, findings: Findings) -> None:
    """Findings for texts that stand in several parts, changed texts, and documents of no part.

    Args:
        documents: all of the data.
        split: the parts.
        pairs: numbers of documents with nearly the same text, and their likeness.
        findings: where they go.
    """
    part_of = {identifier: part for part, ids in split.parts.items() for identifier in ids}
    changed = [
        f"{document.id} ({part})"
        for document in documents
        if (part := part_of.get(document.id)) and split.parts[part][document.id] != document.text_digest
    ]
    if changed:
        findings.add(
            "D032", f"{len(changed)} documents have another text than when the split was made", examples=changed
        )
    known = {document.id for document in documents}
    gone = [f"{identifier} ({part})" for identifier, part in part_of.items() if identifier not in known]
    if gone:
        findings.add("D032", f"{len(gone)} documents of the split are not in the data", examples=gone)
    outside = [document.id for document in documents if document.id not in part_of]
    if outside:
        findings.add("D033", f"{len(outside)} documents are in no part of the split", examples=outside)
    _equal_texts(documents, split, part_of, findings)
    leaks = [
        f"{left.id} ({part_of[left.id]}) and {right.id} ({part_of[right.id]}): {likeness:.2f} alike"
        for one, other, likeness in pairs
        for left, right in [(documents[one], documents[other])]
        if _leaks(part_of.get(left.id), part_of.get(right.id))
    ]
    if leaks:
        findings.add("D031", f"{len(leaks)} pairs of nearly equal texts stand in two parts", examples=leaks)


def _equal_texts(
    documents: Sequence[LabelledDocument], split: Split, part_of: Mapping[str, str], findings: Findings
) -> None:
    trained = {
        digest: f"{identifier} ({part})"
        for part in TRAINED_ON
        for identifier, digest in split.parts.get(part, {}).items()
    }
    leaks = [
        f"{document.id} ({part}) is a copy of {trained[document.text_digest]}"
        for document in documents
        if (part := part_of.get(document.id)) and part not in TRAINED_ON and document.text_digest in trained
    ]
    if leaks:
        findings.add("D030", f"{len(leaks)} documents stand in a part trained on too", examples=leaks)


def _leaks(left: str | None, right: str | None) -> bool:
    return left is not None and right is not None and left != right and (left in TRAINED_ON) != (right in TRAINED_ON)
