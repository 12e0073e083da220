"""How calls to the inference process are written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gateway.document import TIERS, Document, Proposal, TierName, TierOutput, Work
from gateway.inference.base import TierStatus
from gateway.task import CallPrice

STATUS_PATH = "/status/{task}"
PROPOSE_PATH = "/propose/{task}/{tier}"
HEALTH_PATH = "/health"
#: Carries :attr:`gateway.inference.base.Inference.epoch` with every answer.
EPOCH_HEADER = "x-epoch"
#: The span, as W3C Trace Context writes it, that a call belongs to.
TRACE_HEADER = "traceparent"
#: Seconds after which a tier that refused may be asked again, with fractions (unlike HTTP's own ``Retry-After``).
RETRY_HEADER = "x-retry-after"


def document_json(document: Document) -> dict[str, Any]:
    """A document without the keys that are unknown."""
    known = {
        "text": document.text,
        "id": document.id,
        "context": document.context,
        "lines": list(document.lines) if document.lines is not None else None,
        "reference_date": document.reference_date,
        "locale": document.locale,
    }
    return {key: value for key, value in known.items() if value is not None}


@dataclass(frozen=True)
class Call:
    """A call to a tier. ``deadline`` is in seconds from when it is read: clocks of two processes need not agree."""

    documents: Sequence[Document]
    fields: Sequence[str]
    deadline: float | None = None
    version: str | None = None
    most_before: int | None = None


def call_json(call: Call) -> dict[str, Any]:
    """The body of a call to a tier."""
    return {
        "documents": [document_json(document) for document in call.documents],
        "fields": list(call.fields),
        "deadline": call.deadline,
        "version": call.version,
        "most_before": call.most_before,
    }


def call_from_json(raw: Mapping[str, Any]) -> Call:
    """The inverse of :func:`call_json`. Raises KeyError, TypeError or ValueError where it is malformed."""
    deadline, most_before = raw["deadline"], raw["most_before"]
    return Call(
        [Document(**document) for document in raw["documents"]],
        list(raw["fields"]),
        None if deadline is None else float(deadline),
        raw["version"],
        None if most_before is None else int(most_before),
    )


def output_json(output: TierOutput, overhead: float = 0.0) -> dict[str, Any]:
    """A tier's answer for one document, with ``overhead`` CPU seconds more of the process that answers."""
    work = {**vars(output.work), "overhead_seconds": output.work.overhead_seconds + overhead}
    return {"proposals": {name: proposal.as_json() for name, proposal in output.proposals.items()}, "work": work}


def output_from_json(raw: Mapping[str, Any]) -> TierOutput:
    """The inverse of :func:`output_json`. Raises KeyError, TypeError or ValueError where it is malformed."""
    proposals = {name: Proposal.from_json(candidates) for name, candidates in raw["proposals"].items()}
    return TierOutput(proposals, Work(**raw["work"]))


def status_json(statuses: Mapping[TierName, TierStatus]) -> dict[str, Any]:
    """The state of a task's model tiers."""
    return {tier: asdict(status) for tier, status in statuses.items()}


def status_from_json(raw: Mapping[str, Any]) -> dict[TierName, TierStatus]:
    """The inverse of :func:`status_json`. Raises KeyError or TypeError where it is malformed."""
    return {tier: _status(raw[tier]) for tier in TIERS if tier in raw}


def _status(raw: Mapping[str, Any]) -> TierStatus:
    price = raw["price"]
    return TierStatus(**{**raw, "price": None if price is None else CallPrice(**price)})
