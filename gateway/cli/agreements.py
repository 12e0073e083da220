"""How often the large tier agrees with accepted answers of labelled documents: for ``cascade audit reference``."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit.agreement import Agreement, level_name
from gateway.cascade import FieldResult
from gateway.cli.session import Session
from gateway.document import TierName
from gateway.engine import Request
from gateway.errors import DatasetError, TierUnavailable
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values, is_right
from gateway.evaluation.systems import as_document
from gateway.policy import Chain, chain_name


class Agreements:
    """Counts, level by level, of accepted answers that the large tier did not give.

    Only the chain of all tiers that decide is measured: what requests accept that leave a tier out is another level,
    and is not tested. The levels are settled before any document is looked at.

    Args:
        session: the task as it is served.
        qualities: the targets asked for; by default all that the policy certifies for that chain.

    Attributes:
        levels: field → guarantee; empty where nothing can be measured.
    """

    def __init__(self, session: Session, qualities: Sequence[float] = ()) -> None:
        self._session = session
        task = session.task
        self._chains: dict[str, Chain] = {name: self._chain(name) for name in task.spec.fields}
        found = {name: self._levels(name, chain, qualities) for name, chain in self._chains.items()}
        self.levels: dict[str, tuple[float, ...]] = {name: levels for name, levels in found.items() if levels}
        self._counts: dict[str, dict[float, list[tuple[bool, bool]]]] = {
            name: {guarantee: [] for guarantee in levels} for name, levels in self.levels.items()
        }

    def _chain(self, name: str) -> Chain:
        task = self._session.task
        out: set[TierName] = {*task.unavailable, *task.not_trusted.get(name, ())}
        return tuple(tier for tier in task.spec.tiers if tier not in out)

    def _levels(self, name: str, chain: Chain, qualities: Sequence[float]) -> tuple[float, ...]:
        task = self._session.task
        if task.policy is None or "large" not in task.models or {*task.unavailable, *task.stale_models} & {"large"}:
            return ()
        known = task.policy.thresholds.get(chain_name(chain), {}).get(name, {})
        served = [task.policy.threshold(chain, name, asked) for asked in qualities or sorted(known)]
        # A target may be certified for absence alone.
        accepting = {one[0] for one in served if one and (one[1].certified or one[1].accepts_absence)}
        return tuple(sorted(accepting))

    def observe(self, document: LabelledDocument) -> None:
        """Answer a document at every level's target, and ask the large tier about what was accepted.

        Raises:
            TierUnavailable: it does not answer.
        """
        spec = self._session.task.spec
        said: dict[str, tuple[str, ...]] = {}
        for quality in sorted({one for found in self.levels.values() for one in found}):
            names = tuple(
                name
                for name, found in self.levels.items()
                if quality in found and expected_values(spec, document, name) is not None
            )
            if not names:
                continue
            outcome = self._session.extract(Request(as_document(document), fields=names, quality=quality))
            if outcome.filtered is not None:
                return  # never answered, so never audited
            for name, result in outcome.extraction.fields.items():
                chain = outcome.extraction.evidence[name].chain
                if result.state != "accepted" or result.tier == "large" or result.guarantee != quality:
                    continue
                if chain != self._chains[name]:  # a rule ran out of time
                    continue
                said = said or self._ask(document)
                self._count(document, name, quality, result, said[name])

    def _count(
        self, document: LabelledDocument, name: str, quality: float, result: FieldResult, said: tuple[str, ...]
    ) -> None:
        spec = self._session.task.spec
        answer = tuple(candidate.value for candidate in result.candidates)
        expected = expected_values(spec, document, name)
        if expected is None:
            raise DatasetError(f"{document.id}: no label for {name}")
        agrees = is_right(spec, name, said, answer)
        self._counts[name][quality].append((is_right(spec, name, expected, answer), agrees))

    def _ask(self, document: LabelledDocument) -> dict[str, tuple[str, ...]]:
        request = Request(as_document(document), fields=tuple(self.levels), tiers=("large",), alone=True)
        said = self._session.extract(request).extraction
        if said.unavailable:
            raise TierUnavailable(f"large: {next(iter(said.unavailable.values()))}")
        return {name: tuple(candidate.value for candidate in result.candidates) for name, result in said.fields.items()}

    @property
    def found(self) -> dict[str, dict[str, Agreement]]:
        """Field → level → counts; a level without any accepted answer too, for it was asked for."""
        return {
            name: {
                level_name(self._chains[name], guarantee): Agreement.of(self._counts[name][guarantee])
                for guarantee in found
            }
            for name, found in self.levels.items()
        }
