"""Whether a version of a task's models is at least as good as the one that is served, on documents neither has seen.

Both answer the same documents as the service would. What is compared is F1 of the cascade by value, over (document,
field) pairs, and the share of accepted values that are wrong. The differences are paired: their intervals come from the
same resamples of groups, so what makes a document hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import NotComparable
from gateway.evaluation.bootstrap import FloatArray, GroupBootstrap, f1_of, ratio
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import count_documents, expected_values, is_right, total
from gateway.evaluation.split import Split
from gateway.evaluation.systems import Record
from gateway.task import TaskSpec

#: Parts whose names begin so are kept for figures: nothing is chosen by them.
VALIDATION = "validation"
#: Where two versions divide the documents differently, fewer common ones than this tell nothing.
LEAST_DOCUMENTS = 30
_RESAMPLES, _SEED = 2000, 0


@dataclass(frozen=True)
class Figures:
    """One version: F1 of the cascade's best candidates (0 to 1), the share of answers accepted, and of the accepted
    values whose label is known how many are wrong."""

    f1: float
    share_accepted: float
    judged: int
    errors: int

    @property
    def error(self) -> float | None:
        """Share of accepted values that are wrong; ``None`` where none was judged."""
        return self.errors / self.judged if self.judged else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "error": self.error}


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same documents; differences are the candidate's figure less that of the one served.

    ``f1_interval`` and ``error_interval`` are 95 % intervals, ``None`` with fewer than two groups of documents.
    """

    documents: int
    groups: int
    served: Figures
    candidate: Figures
    f1_interval: tuple[float, float] | None
    error_interval: tuple[float, float] | None

    @property
    def f1_difference(self) -> float:
        return self.candidate.f1 - self.served.f1

    @property
    def error_difference(self) -> float | None:
        if self.served.error is None or self.candidate.error is None:
            return None
        return self.candidate.error - self.served.error

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the candidate is not at least as good; empty where it is.

        A lower F1 is enough. More errors among accepted values count where chance does not explain them: there are few
        of them, and one more is no finding.
        """
        found = []
        if self.f1_difference < -1e-12:
            found.append(f"its F1 is lower: {100 * self.candidate.f1:.2f} % against {100 * self.served.f1:.2f} %")
        if self.error_interval is not None and self.error_interval[0] > 0:
            found.append(
                f"more of its accepted values are wrong: {self.candidate.errors} of {self.candidate.judged} against"
                f" {self.served.errors} of {self.served.judged}"
            )
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "groups": self.groups,
            "served": self.served.as_json(),
            "candidate": self.candidate.as_json(),
            "f1_difference": {"value": self.f1_difference, "interval": _listed(self.f1_interval)},
            "error_difference": {"value": self.error_difference, "interval": _listed(self.error_interval)},
            "reasons": list(self.reasons),
        }


def _listed(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def documents_to_compare(
    documents: Sequence[LabelledDocument], candidate: Split, served: Split | None
) -> list[LabelledDocument]:
    """The validation documents of the candidate's split that the served version was not made from either.

    Args:
        documents: the labelled data.
        candidate: how the candidate's documents were divided.
        served: how those of the version that is served were; ``None``: not known, the candidate's is taken to hold.

    Raises:
        NotComparable: the data lack some of them or hold another text, or too few are left.
    """
    wanted = {
        identifier: digest
        for part, ids in candidate.parts.items()
        if part.startswith(VALIDATION)
        for identifier, digest in ids.items()
    }
    same = served is None or (served.parts == candidate.parts and served.groups == candidate.groups)
    if served is not None and not same:
        # Whatever was not for validation then was learned from, or thresholds were chosen by it.
        used = {
            digest for part, ids in served.parts.items() if not part.startswith(VALIDATION) for digest in ids.values()
        }
        wanted = {identifier: digest for identifier, digest in wanted.items() if digest not in used}
    if not same and len(wanted) < LEAST_DOCUMENTS:
        raise NotComparable(
            "the version divides the documents otherwise than the one that is served:"
            f" {len(wanted)} are kept for validation and were used for neither, fewer than {LEAST_DOCUMENTS}"
        )
    if not wanted:
        raise NotComparable("the version's split keeps no document for validation")
    known = {document.id: document for document in documents}
    missing = [identifier for identifier in wanted if identifier not in known]
    changed = [one for one in wanted if one in known and known[one].text_digest != wanted[one]]
    for found, what in ((missing, "are not in the data"), (changed, "have another text in the data")):
        if found:
            raise NotComparable(
                f"{len(found)} of {len(wanted)} validation documents {what}, the first: {found[0]}; pass the data that"
                " the version was trained on"
            )
    return [document for document in documents if document.id in wanted]


def compare_versions(
    task: TaskSpec,
    documents: Sequence[LabelledDocument],
    groups: Sequence[str],
    served: Sequence[Record],
    candidate: Sequence[Record],
) -> Comparison:
    """Compare what two versions made of the same documents, in the same order; a failure counts as nothing found."""
    bootstrap = GroupBootstrap(groups, resamples=_RESAMPLES, seed=_SEED)
    sides = (candidate, served)
    counts = [count_documents(task, documents, [one.answers for one in side], "normalised") for side in sides]
    accepted = [_accepted(task, documents, side) for side in sides]
    figures = [_figures(one, tally) for one, tally in zip(counts, accepted, strict=True)]
    f1 = bootstrap.difference(counts[0].sum(axis=1), counts[1].sum(axis=1), f1_of)
    error = bootstrap.difference(accepted[0], accepted[1], _error_of)
    return Comparison(
        len(documents),
        bootstrap.groups,
        figures[1],
        figures[0],
        None if f1 is None else (f1.low, f1.high),
        None if error is None else (error.low, error.high),
    )


def _figures(counts: NDArray[Any], accepted: NDArray[np.int64]) -> Figures:
    answers, taken, judged, errors = (int(number) for number in accepted.sum(axis=0))
    return Figures(total(counts).f1 or 0.0, taken / answers if answers else 0.0, judged, errors)


def _accepted(task: TaskSpec, documents: Sequence[LabelledDocument], records: Sequence[Record]) -> NDArray[np.int64]:
    """For each document: answers, accepted ones, accepted values whose label is known, and the wrong ones of those."""
    tally = np.zeros((len(documents), 4), dtype=np.int64)
    for row, (document, record) in enumerate(zip(documents, records, strict=True)):
        results = {} if record.outcome is None else record.outcome.extraction.fields
        tally[row, 0] = len(task.fields)
        for name, result in results.items():
            if result.state != "accepted":
                continue
            tally[row, 1] += 1
            expected = expected_values(task, document, name)
            if result.present and expected is not None:
                right = is_right(task, name, expected, [candidate.value for candidate in result.candidates])
                tally[row, 2:] += 1, not right
    return tally


def _error_of(sums: FloatArray) -> FloatArray:
    return ratio(sums[:, 3], sums[:, 2])


def render(comparison: Mapping[str, Any], served: str, candidate: str) -> str:
    """A comparison (:meth:`Comparison.as_json`) for people."""
    lines = [f"{comparison['documents']} validation documents in {comparison['groups']} groups"]
    width = max(len(served), len(candidate), 10)
    lines.append(f"  {'':{width}}  {'F1':>8}  {'accepted':>9}  wrong among accepted values")
    for name, side in ((served, comparison["served"]), (candidate, comparison["candidate"])):
        wrong = "–" if side["error"] is None else f"{100 * side['error']:.2f} %"
        lines.append(
            f"  {name:{width}}  {100 * side['f1']:6.2f} %  {100 * side['share_accepted']:7.2f} %"
            f"  {wrong} ({side['errors']} of {side['judged']})"
        )
    for key, what in (("f1_difference", "F1"), ("error_difference", "wrong among accepted values")):
        value, interval = comparison[key]["value"], comparison[key]["interval"]
        if value is not None:
            shown = "" if interval is None else f", 95 % interval {100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}"
            lines.append(f"  difference in {what}: {100 * value:+.2f} points{shown}")
    return "\n".join(lines)


__all__ = [
    "LEAST_DOCUMENTS",
    "Comparison",
    "Figures",
    "compare_versions",
    "documents_to_compare",
    "render",
]
