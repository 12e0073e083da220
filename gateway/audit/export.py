"""What people said, as labelled documents: those that thresholds may be certified on, and all others.

Certifying asks for documents drawn at random from all that are answered, whatever became of them. Those that were drawn
for calibration are, where every field of them was judged. Answers that were drawn for an audit were accepted by the
present thresholds, and what people volunteer caught their eye: on such documents any laxer threshold, or a stricter
one, would seem to keep a promise that it breaks. They are labels to learn from, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.audit.store import AuditStore
from gateway.task import TaskSpec

#: The key in which a document says what it may be used for.
PURPOSE_KEY = "sampled_for"
Use = Literal["calibration", "training"]


@dataclass(frozen=True)
class Exported:
    """Documents in the data format, each with its purpose under ``sampled_for``.

    ``left_open``: of the documents that were drawn for calibration and whose text is there, how many have a field
    that nobody has judged yet; they are not among ``documents``. ``incomplete``: documents left out because labels that
    are missing would say that a field is absent (``closed_labels``).
    """

    documents: tuple[Mapping[str, Any], ...]
    left_open: int = 0
    incomplete: int = 0


def labelled_documents(store: AuditStore, spec: TaskSpec, use: Use) -> Exported:
    """Documents with what people said of their fields; only those whose text was kept.

    What the large tier said is no label. For ``training`` a field that nobody judged is left out ("not annotated").
    Only values are known, no spans: training aligns them.

    Raises:
        AuditStoreError: the database cannot be read.
    """
    drawn = _drawn_for_calibration(store, spec.name)
    rows = store.rows(
        "SELECT texts.digest, texts.text, texts.extra, texts.document_id, judgements.field, judgements.value"
        " FROM texts JOIN judgements ON judgements.task = texts.task AND judgements.digest = texts.digest"
        " WHERE texts.task = ? AND judge = 'person' ORDER BY texts.created, texts.digest, judgements.id",
        spec.name,
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["field"] not in spec.fields or (row["digest"] in drawn) != (use == "calibration"):
            continue  # the task has changed since; or it is for the other use
        document = found.setdefault(row["digest"], _document(row, use))
        document["labels"][row["field"]] = _label(json.loads(row["value"]), spec, row["field"])
    whole = {digest: document for digest, document in found.items() if len(document["labels"]) == len(spec.fields)}
    if use == "calibration":
        return Exported(tuple(whole.values()), left_open=len(drawn) - len(whole))
    kept = whole if spec.closed_labels else found
    return Exported(_with_own_ids(kept), incomplete=len(found) - len(kept))


def _drawn_for_calibration(store: AuditStore, task: str) -> frozenset[str]:
    """The digests of texts that were drawn for calibration, judged or not, where the text is there."""
    rows = store.rows(
        "SELECT DISTINCT answers.digest FROM answers JOIN texts ON texts.task = answers.task AND texts.digest ="
        " answers.digest WHERE answers.task = ? AND sampled_for = 'calibration'",
        task,
    )
    return frozenset(row["digest"] for row in rows)


def _document(row: Mapping[str, Any], use: Use) -> dict[str, Any]:
    # Callers' ids may repeat. Where one must never be another document's, the text gives it.
    given = row["document_id"] if use == "training" else None
    return {
        "id": given or f"audit-{row['digest']}",
        PURPOSE_KEY: use,
        "text": row["text"],
        "labels": {},
        **json.loads(row["extra"]),
    }


def _with_own_ids(found: Mapping[str, dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    seen: set[str] = set()
    for digest, document in found.items():
        if document["id"] in seen:
            document["id"] = f"audit-{digest}"
        seen.add(document["id"])
    return tuple(found.values())


def _label(values: list[str], spec: TaskSpec, name: str) -> str | list[str] | None:
    field = spec.fields[name]
    if not values:
        # Somebody looked and found nothing, which `null` does not say in all data; an empty list does.
        return None if field.null_means == "absent" else []
    return values if field.many else values[0]
