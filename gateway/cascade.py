"""The cascade itself: pure decisions, no input or output.

A :class:`Run` is told what each tier proposed and says which tier to ask next; whoever drives it (the service, the
command line, an evaluation) does the asking. Each field goes its own way: it is accepted at the first tier whose
evidence makes it probable enough for the quality asked for, and is in review when no allowed tier could.

Which tiers take part is settled before the first is asked, and every field is decided at the threshold of that chain
alone. A tier that was to be asked and gives no answer changes no threshold: what its chain accepted before stays
accepted, and what was still open is not accepted any more (``docs/guarantee.md``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from gateway.combine import Answer, answers_of, most_probable
from gateway.document import TIERS, Candidate, Proposal, TierName, TierOutput, Work
from gateway.errors import NotCertified
from gateway.policy import Chain, Policy, Threshold
from gateway.task import TaskSpec

State = Literal["accepted", "review"]
Status = Literal["complete", "review", "degraded"]
#: Why a field went on to the next tier.
Reason = Literal["nothing-found", "conflict", "low-confidence", "not-trusted", "rule-timeout"]
REASONS: tuple[Reason, ...] = get_args(Reason)
#: What a decision came to; ``not-certified`` is an answer as probable as the target asks, without a certificate for
#: that target.
Verdict = Literal[
    "accepted", "not-certified", "nothing-found", "conflict", "low-confidence", "not-trusted", "rule-timeout"
]
#: What stands behind an accepted answer: the certified target, or the word of a rule's author.
Guarantee = float | Literal["author"] | None
AUTHOR: Literal["author"] = "author"


@dataclass(frozen=True)
class FieldResult:
    """The answer for one field.

    ``candidates`` is empty when nothing was found, and holds one candidate for a single field. ``guarantee`` is the
    certified target behind an accepted answer, ``"author"`` where its rule's author vouches for it, or ``None``.
    """

    state: State
    candidates: tuple[Candidate, ...]
    tier: TierName | None
    confidence: float
    guarantee: Guarantee
    many: bool = False

    @property
    def present(self) -> bool:
        return bool(self.candidates)


@dataclass(frozen=True)
class Escalation:
    """One field passed on from one tier to another."""

    field: str
    from_tier: TierName
    to_tier: TierName
    reason: Reason


@dataclass(frozen=True)
class Decision:
    """One decision about one field, made when ``tier`` had answered or, with ``answered`` false, was given up.

    ``threshold`` is the probability asked of an answer of this kind, for ``target``; both are ``None`` where the policy
    has none, and the former also where an absence is always passed on.
    """

    tier: TierName
    answered: bool
    confidence: float
    target: float | None
    threshold: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Evidence:
    """How one field was decided: the chain that counted in the end, all answers by tier, and the decisions in order.

    ``unmeasured`` is what rules found that the policy has not measured beside those it has.
    """

    chain: Chain
    answers: Mapping[TierName, tuple[Answer, ...]]
    decisions: tuple[Decision, ...]
    unmeasured: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Extraction:
    """What the cascade found in one document, and how."""

    fields: Mapping[str, FieldResult]
    status: Status
    tiers: tuple[TierName, ...]
    escalations: tuple[Escalation, ...]
    work: Mapping[TierName, Work]
    unavailable: Mapping[TierName, str]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)

    @property
    def escalated(self) -> dict[str, TierName]:
        """Field to the furthest tier it was passed on to."""
        return {escalation.field: escalation.to_tier for escalation in self.escalations}


@dataclass
class _FieldRun:
    """What is known of one field so far."""

    chain: Chain
    answers: dict[TierName, list[Answer]] = field(default_factory=dict)
    open: bool = True
    accepted: bool = False
    best: Answer | None = None
    confidence: float = 0.0
    guarantee: Guarantee = None
    reason: Reason = "nothing-found"
    chosen: tuple[float, Threshold] | None = None
    #: A tier of the chain gave no answer while the field was open: no certificate covers what the others say.
    broken: bool = False
    decisions: list[Decision] = field(default_factory=list)
    #: Tiers that did not try everything: what they found alone is not accepted.
    timed_out: set[TierName] = field(default_factory=set)
    #: What decides nothing: answers of rules that are not measured, best first; and the precision their authors state.
    unmeasured: list[Answer] = field(default_factory=list)
    author: tuple[Answer, float] | None = None

    def note(self, tier: TierName, *, answered: bool) -> None:
        """Keep what was just decided."""
        verdict: Verdict = self.reason
        if self.accepted:
            verdict = "accepted"
        elif not self.open and self.best is not None:
            verdict = "not-certified"
        target = threshold = None
        if self.chosen is not None:
            target, asked = self.chosen
            threshold = asked.applied(present=self.best is None or self.best.present)
        self.decisions.append(Decision(tier, answered, self.confidence, target, threshold, verdict))


class Run:
    """One document's way through the cascade.

    Args:
        task: fields and their types.
        policy: combiners and thresholds; without one nothing is accepted.
        fields: the fields asked for.
        quality: the target for accepted answers; by default every field's own.
        tiers: the tiers allowed, in order.
        alone: a single tier is to answer everything by itself: whatever it finds in the text is accepted, without a
            guarantee.
        not_trusted: a field to the tiers whose current version the policy has not measured; they are asked, and what
            they find is shown where nobody else found anything, but they decide nothing.
        unavailable: tiers that are known beforehand not to answer, and why; the others are a chain of their own.
        strict: raise instead of answering in review what cannot be certified.
        doubted: fields whose promised quality is in doubt; they are accepted as for the next stricter target.

    Raises:
        NotCertified: ``strict``, and the policy certifies no target as strict as ``quality`` for some field.
    """

    def __init__(
        self,
        task: TaskSpec,
        policy: Policy | None,
        *,
        fields: Sequence[str],
        quality: float | None = None,
        tiers: Sequence[TierName] = TIERS,
        alone: bool = False,
        not_trusted: Mapping[str, Iterable[TierName]] | None = None,
        unavailable: Mapping[TierName, str] | None = None,
        strict: bool = False,
        doubted: Collection[str] = (),
    ) -> None:
        self._task = task
        self._policy = policy or Policy(task.name)
        self._doubted = doubted
        self._quality = task.qualities(quality)
        self._alone = alone and len(tiers) <= 1
        # An author's word is no certificate: it does not serve where one was asked for, unless the task says so.
        allowed = task.author_rules == "always" or (task.author_rules == "unless-quality" and quality is None)
        self._authors_count = allowed and not strict
        self._unavailable = {tier: why for tier, why in (unavailable or {}).items() if tier in tiers}
        self._tiers = [tier for tier in tiers if tier not in self._unavailable]
        self._asked: list[TierName] = []
        self._escalations: list[Escalation] = []
        self._work: dict[TierName, Work] = {}
        self._fields: dict[str, _FieldRun] = {}
        for name in fields:
            distrusted = set((not_trusted or {}).get(name, ()))
            self._fields[name] = _FieldRun(tuple(tier for tier in self._tiers if tier not in distrusted))
        if strict and not self._alone:
            self._require_certificates()

    def _require_certificates(self) -> None:
        found = {name: self._policy.targets(run.chain, name) for name, run in self._fields.items()}
        lacking = {
            name: targets
            for name, targets in found.items()
            if not any(target >= self._quality[name] - 1e-9 for target in targets)
        }
        if lacking:
            raise NotCertified(
                "no certified target reaches " + ", ".join(f"{self._quality[name]:g} for {name}" for name in lacking),
                detail={"certified": lacking, "quality": {name: self._quality[name] for name in lacking}},
            )

    def open_fields(self) -> tuple[str, ...]:
        """The fields still without an answer."""
        return tuple(name for name, run in self._fields.items() if run.open)

    def next_tier(self) -> TierName | None:
        """The tier to ask now, each at most once, or ``None`` when all is said."""
        runs = self._fields.values()
        for tier in self._tiers:
            for run in runs:
                if run.open and tier not in run.answers:
                    return tier
        return None

    def _unasked(self, tier: TierName) -> list[str]:
        """The open fields for which ``tier`` has not been asked."""
        return [name for name, run in self._fields.items() if run.open and tier not in run.answers]

    def absorb(self, tier: TierName, output: TierOutput) -> None:
        """Take what ``tier`` proposed for the open fields and decide on them."""
        if tier != self.next_tier():
            raise ValueError(f"{tier} was not asked")
        self._asked.append(tier)
        self._work[tier] = output.work
        for name in self._unasked(tier):
            run = self._fields[name]
            if run.answers:
                self._escalations.append(Escalation(name, next(reversed(run.answers)), tier, run.reason))
            proposal = output.proposals.get(name) or Proposal()
            many = self._task.fields[name].many
            run.answers[tier] = answers_of(proposal, many)
            if name in output.timed_out:
                # Agreement, conflict and order among its rules assumed that all of them ran.
                run.timed_out.add(tier)
                if not self._alone:
                    run.chain = tuple(other for other in run.chain if other != tier)
            if proposal.evidence:
                run.unmeasured += answers_of(Proposal(proposal.evidence), many)
            if proposal.author_precision is not None and name not in output.timed_out:
                run.author = ((run.unmeasured or run.answers[tier])[0], proposal.author_precision)
            self._decide(name)
            if tier not in run.chain and run.open:
                run.reason = "rule-timeout" if tier in run.timed_out else "not-trusted"
            run.note(tier, answered=True)

    def fail(self, tier: TierName, why: str) -> None:
        """``tier`` was to be asked and could not answer; see :meth:`skip`."""
        self._unavailable[tier] = why
        self.skip(tier)

    def skip(self, tier: TierName) -> None:
        """``tier`` was to be asked and is not (what was spent leaves no budget for it).

        Accepted fields keep their answer, which the whole chain would have given too. Open ones that counted on
        ``tier`` are not accepted any more: another chain would decide only what was hard for this one, which nobody has
        tested. Further tiers are asked as for a field without a certificate, for the answer that is shown in review.
        """
        self._tiers.remove(tier)
        for run in self._fields.values():
            if run.open and tier in run.chain and tier not in run.answers:
                run.broken = True
                run.note(tier, answered=False)

    def _decide(self, name: str) -> None:
        """Accept, or leave open, on what the tiers that were asked so far have answered."""
        run = self._fields[name]
        answered = tuple(tier for tier in run.chain if tier in run.answers)
        run.best, probability, proposed = self._best(name, run, answered)
        run.confidence = max(probability, 0.0)
        if self._alone:
            if run.best is None:
                run.best, run.confidence = self._untrusted(run)
            grounded = run.best is not None and all(item.grounded for item in run.best.candidates)
            run.accepted, run.open = grounded, False
            return
        choose = self._policy.stricter if name in self._doubted else self._policy.threshold
        run.chosen = chosen = choose(run.chain, name, self._quality[name])
        if self._author_first(run) and self._take_authors_word(name, run):
            return
        # Where nothing can be accepted, the strictest threshold there is still says when to stop asking.
        threshold = chosen[1] if chosen else self._policy.strictest(run.chain, name)
        if threshold and answered and run.best and threshold.settles(probability, present=run.best.present):
            # Without a certificate a threshold only stops the escalation; the answer stays in review.
            run.open = False
            if chosen is not None and not run.broken and threshold.accepts(probability, present=run.best.present):
                run.accepted, run.guarantee = True, chosen[0]
            return
        if not answered:
            run.reason = "not-trusted"
        elif run.best is None:
            run.reason = "nothing-found"
        else:
            run.reason = "conflict" if proposed > 1 else "low-confidence"
        if run.best is None:
            run.best, run.confidence = self._untrusted(run)

    @staticmethod
    def _author_first(run: _FieldRun) -> bool:
        """Whether an author's word is taken before the tiers are asked.

        A chain with a certificate comes first: it was tested on all documents, and not on those that an author's rule
        leaves over. Where nothing that was measured can accept anything, the author need not wait.
        """
        if run.chosen is not None and (run.chosen[1].certified or run.chosen[1].accepts_absence):
            return False
        return "rules" not in run.chain or (run.chosen is None and not run.unmeasured)

    def _best(self, name: str, run: _FieldRun, evidence: Chain) -> tuple[Answer | None, float, int]:
        """The most probable answer given the evidence, its probability (below 0 where no threshold may accept it), and
        how many first choices differ."""
        trusted = {tier: run.answers[tier] for tier in evidence}
        combiner = self._policy.combiner(evidence, name) if evidence else None
        absence = self._policy.absence_combiner(evidence, name) if evidence else None
        kind = self._task.fields[name].type
        best, probability = most_probable(trusted, combiner, kind, options=self._task.options, absence=absence)
        first_choices = {answers[0].key for answers in trusted.values() if answers}
        return best, probability, len(first_choices)

    @staticmethod
    def _untrusted(run: _FieldRun) -> tuple[Answer | None, float]:
        """What tiers and rules that decide nothing found, to be shown in review."""
        found = [answers[0] for tier, answers in run.answers.items() if answers and tier not in run.chain]
        best = found[-1] if found else next(iter(run.unmeasured), None)
        return (best, best.score) if best else (None, 0.0)

    def _take_authors_word(self, name: str, run: _FieldRun) -> bool:
        """Accept the answer of a rule whose author states a precision that is enough; whether it was."""
        if not self._authors_count or run.author is None or run.author[1] < self._quality[name] - 1e-9:
            return False
        run.best, run.confidence = run.author
        run.accepted, run.guarantee, run.open, run.chosen = True, AUTHOR, False, None
        return True

    def _conclude(self, name: str, run: _FieldRun) -> None:
        """Beside what is measured an author's word comes last: what it accepts takes no answer from a certificate."""
        if run.accepted or run.author is None or (run.best is not None and run.best.key != run.author[0].key):
            return
        if self._take_authors_word(name, run):
            run.note("rules", answered=True)

    def result(self) -> Extraction:
        """What is known now; call it when :meth:`next_tier` says ``None``."""
        results: dict[str, FieldResult] = {}
        finished = self.next_tier() is None
        for name, run in self._fields.items():
            if finished:
                self._conclude(name, run)
            candidates = run.best.candidates if run.best else ()
            tier = next((tier for tier in reversed(self._asked) if self._gave(run, tier)), None)
            results[name] = FieldResult(
                "accepted" if run.accepted else "review",
                candidates,
                tier,
                run.confidence,
                run.guarantee,
                self._task.fields[name].many,
            )
        in_review = any(result.state == "review" for result in results.values())
        status: Status = "complete"
        if in_review:
            status = "degraded" if self._unavailable else "review"
        return Extraction(
            results,
            status,
            tuple(self._asked),
            tuple(self._escalations),
            self._work,
            dict(self._unavailable),
            {name: self._evidence(run) for name, run in self._fields.items()},
        )

    @staticmethod
    def _evidence(run: _FieldRun) -> Evidence:
        answers = {tier: tuple(proposed) for tier, proposed in run.answers.items()}
        unmeasured = tuple(candidate for answer in run.unmeasured for candidate in answer.candidates)
        return Evidence(run.chain, answers, tuple(run.decisions), unmeasured)

    @staticmethod
    def _gave(run: _FieldRun, tier: TierName) -> bool:
        if run.best is None:
            return False
        if not run.best.present:  # said by all that were asked; the last of them settled it
            return tier in run.answers and tier in run.chain
        given = (*run.answers.get(tier, ()), *(run.unmeasured if tier == "rules" else ()))
        return any(answer is run.best for answer in given)
