"""Running systems side by side: each tier alone, and the cascade, on the same documents in the same process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gateway.document import Document, TierName
from gateway.engine import Engine, LoadedTask, Request
from gateway.errors import CascadeError, DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import Answers
from gateway.extraction import Outcome

SystemName = Literal["rules", "student", "large", "cascade"]
SYSTEMS: tuple[SystemName, ...] = get_args(SystemName)


@dataclass(frozen=True)
class Failure:
    """Why a system gave no answer for a document."""

    code: str
    message: str


@dataclass(frozen=True)
class Record:
    """What one system made of one document: an outcome, or a failure, which counts as having found nothing."""

    outcome: Outcome | None
    failure: Failure | None = None

    @property
    def answers(self) -> Answers:
        """The best candidates field by field, whether accepted or in review."""
        if self.outcome is None:
            return {}
        return {name: result.candidates for name, result in self.outcome.extraction.fields.items()}


@dataclass(frozen=True)
class SystemRun:
    """One system's records, in the documents' order; none of them when ``problem`` says why it could not be run."""

    name: SystemName
    records: tuple[Record, ...] = ()
    problem: str | None = None


def as_document(labelled: LabelledDocument) -> Document:
    """The document as tiers see it: its text and what else is known, without its labels.

    Raises:
        DatasetError: ``context``, ``lines``, ``reference_date`` or ``locale`` is malformed.
    """
    extra = labelled.extra
    lines = extra.get("lines")
    if lines is not None and not (isinstance(lines, list) and all(isinstance(line, Mapping) for line in lines)):
        raise DatasetError(f'{labelled.id}: "lines" must be a list of objects')
    return Document(
        labelled.text,
        labelled.id,
        labelled.context,
        lines,
        _string(extra.get("reference_date"), "reference_date", labelled.id),
        _string(extra.get("locale"), "locale", labelled.id),
    )


def _string(value: Any, key: str, identifier: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise DatasetError(f'{identifier}: "{key}" must be a string')
    return value


def request_for(system: SystemName, document: Document, quality: float | None) -> Request:
    """The request that makes the engine answer as ``system``."""
    if system == "cascade":
        return Request(document, quality=quality)
    return Request(document, quality=quality, tiers=(system,), alone=True)


def problem_of(task: LoadedTask, system: SystemName) -> str | None:
    """Why a system cannot be run at all, or ``None``. A cascade can always be run, with the tiers that are there."""
    if system == "cascade":
        return None
    if system not in task.spec.tiers:
        return f'task "{task.spec.name}" has no tier {system}'
    if system != "rules" and system not in task.models:
        return "no model"
    return task.unavailable.get(system)


async def run_systems(
    engine: Engine,
    task: LoadedTask,
    documents: Sequence[LabelledDocument],
    systems: Sequence[SystemName],
    *,
    quality: float | None = None,
    on_document: Callable[[], object] = lambda: None,
) -> dict[SystemName, SystemRun]:
    """Run ``systems`` on ``documents`` and record everything.

    Systems take turns on each document, and who begins moves on from document to document, so that whatever else the
    machine does falls on all alike and cost ratios are comparable. Documents are answered one by one, without
    batches; the first goes through every system once beforehand, unrecorded, so that none pays for a cold start.

    Raises:
        DatasetError: a document is malformed. Anything that goes wrong while a system answers is recorded instead.
    """
    inputs = [as_document(document) for document in documents]
    problems = {system: problem_of(task, system) for system in systems}
    running = [system for system in systems if problems[system] is None]
    records: dict[SystemName, list[Record]] = {system: [] for system in running}
    for system in running if inputs else ():
        await _record(engine, task, request_for(system, inputs[0], quality))
    for number, document in enumerate(inputs):
        first = number % len(running) if running else 0
        for system in running[first:] + running[:first]:
            records[system].append(await _record(engine, task, request_for(system, document, quality)))
        on_document()
    return {system: SystemRun(system, tuple(records.get(system, ())), problems[system]) for system in systems}


async def _record(engine: Engine, task: LoadedTask, request: Request) -> Record:
    try:
        outcome = await engine.extract(task, request)
    except CascadeError as error:
        return Record(None, Failure(error.code, error.message))
    except Exception as error:  # noqa: BLE001  one document must not end the run; the report names what happened
        return Record(None, Failure(CascadeError.code, f"{type(error).__name__}: {error}"))
    unavailable: Mapping[TierName, str] = outcome.extraction.unavailable
    if request.alone and unavailable:
        return Record(None, Failure("tier-unavailable", next(iter(unavailable.values()))))
    return Record(outcome)
