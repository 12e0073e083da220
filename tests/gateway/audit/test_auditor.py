from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.agreement import Agreement, allowed_disagreement
from gateway.audit.auditor import Auditor
from gateway.audit.budget import AuditBudget
from gateway.audit.database import Database
from gateway.audit.drawing import draw
from gateway.audit.reference import Reference, reference_of
from gateway.audit.references import References
from gateway.audit.report import open_questions, report
from gateway.audit.store import AuditStore, Correction
from gateway.audit.terms import Terms, audit_path
from gateway.cascade import AUTHOR, Extraction, FieldResult
from gateway.combine import Combiner
from gateway.document import Candidate, Document, Proposal, TierOutput, Work
from gateway.engine import Engine, Request
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.inference.local import LocalInference
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.settings import Settings
from gateway.tiers.rules.tier import RulesTier
from gateway.trust import promise_digest

TASK = "task: bills\nquality: 0.9\ntiers: [rules, large]\nfields:\n  total: {type: money}\n  shop: {type: text}\n"
RULES = """\
field: total
rules:
  - {id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}
"""


@dataclass
class Large:
    """Finds ``MUTIARA`` as the shop and says of every total what it is told to."""

    name: str = "large"
    version: str = "large-1"
    total: str = "9.00"
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        assert self.gate.wait(20)
        self.asked.append(tuple(fields))
        values = {"total": self.total, "shop": "MUTIARA"}
        return [
            TierOutput(
                {
                    name: Proposal((Candidate(values[name], values[name], values[name], ((0, 1),), 0.9, "large"),))
                    for name in fields
                },
                Work(0.5),
            )
            for _ in documents
        ]


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.audits: list[tuple[str, str, bool]] = []
        self.allowed: list[float | None] = []
        self.dropped: list[tuple[str, int]] = []
        self.doubts: dict[str, bool] = {}
        self.shifted = False
        self.cost = 0.0
        self.verdicts: list[str] = []

    def audited(self, task: str, field: str, tier: str, agree: bool, allowed: float | None) -> None:
        self.audits.append((field, tier, agree))
        self.allowed.append(allowed)

    def audit_dropped(self, task: str, reason: str, count: int) -> None:
        self.dropped.append((reason, count))

    def audit_cost(self, task: str, currency: str, amount: float) -> None:
        self.cost += amount

    def feedback(self, task: str, field: str, verdict: str) -> None:
        self.verdicts.append(verdict)

    def doubt(self, task: str, field: str, doubted: bool) -> None:
        self.doubts[field] = doubted

    def shift(self, task: str, noticed: bool) -> None:
        self.shifted = noticed


@pytest.fixture
def home(tmp_path: Path) -> Home:
    rules = tmp_path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    (rules / "total.yaml").write_text(RULES)
    home = Home(tmp_path)
    tier = RulesTier.load(home.rules, home.task("bills"))
    threshold = Threshold(0.8, True, 100, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={
            chain_name(chain): {name: {0.9: threshold} for name in ("total", "shop")} for chain in all_chains()
        },
        versions={"rules": dict(tier.field_versions), "large": "large-1"},
        estimates={"large": TierEstimate(1.0, 0.0)},
    ).save(home.models / "bills" / "policy.json")
    return home


@dataclass
class Running:
    auditor: Auditor
    engine: Engine
    large: Large
    told: Told
    inference: LocalInference
    store: AuditStore

    async def answer(self, text: str, times: int = 1) -> None:
        """Answer documents as the service does."""
        task = self.engine.tasks["bills"]
        for _ in range(times):
            document = Document(text)
            self.auditor.consider(task, document, await self.engine.extract(task, Request(document)))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(home: Home, large: Large | None = None, started: bool = True, **terms: Any) -> AsyncIterator[Running]:
    large = large or Large()
    inference = LocalInference(
        home,
        load=lambda _home, _task: {"large": (large, TierStatus(large.version, None, "int8"))},  # type: ignore[dict-item]
    )
    engine = await Engine.open(home, inference)
    database = Database(home.path / "state" / "audit.sqlite3")
    store = AuditStore(database, keep_texts=True)
    told = Told()
    settled = replace(Terms(share=1.0), **terms)
    budget = AuditBudget(database, settled.daily_budget)
    auditor = Auditor(engine, store, budget, References(home.models), settled, told)
    if started:
        await auditor.start()
    try:
        yield Running(auditor, engine, large, told, inference, store)
    finally:
        large.gate.set()
        await auditor.close()
        await engine.close()


def measured(home: Home, promise: str | None, agreement: dict[str, dict[str, Agreement]]) -> None:
    """Write down how often the large tier agrees."""
    empty: list[tuple[str, Extraction]] = [("a", Extraction({}, "complete", (), (), {}, {}))]
    found: Reference = reference_of("bills", empty, [], agreement=agreement, promise=promise)
    found.save(home.models / "bills" / "reference.json")


LEVEL = "rules+large@0.9"
COUNTS = Agreement(100, 2, 10, 9)


def run(work: Any) -> None:
    asyncio.run(work)


def test_answers_of_cheap_tiers_go_to_the_large_one_and_its_own_to_a_person(home: Home) -> None:
    async def work() -> None:
        async with running(home) as service:
            await service.answer("MUTIARA\nTOTAL 9.00")
            await service.until(lambda: len(service.told.audits) == 1)
            assert service.told.audits == [("total", "rules", True)]
            assert service.large.asked == [("shop",), ("total",)]
            [question] = open_questions(service.store)
            assert (question["field"], question["tier"], question["value"]) == ("shop", "large", ["MUTIARA"])
            assert service.told.cost == pytest.approx(0.5 * 1.25e-5)

    run(work())


def test_disagreement_puts_the_promise_in_doubt_and_fields_can_escalate(home: Home) -> None:
    async def work() -> None:
        async with running(home, Large(total="1.00"), escalate=True) as service:
            measured(home, service.engine.tasks["bills"].promise, {"total": {LEVEL: COUNTS}})
            await service.answer("MUTIARA\nTOTAL 9.00", 25)
            await service.until(lambda: service.told.doubts.get("total", False))
            await service.until(lambda: service.told.doubts["all"])
            assert service.auditor.doubted("bills") == {"total", "shop"}  # the whole task's test doubts too
            assert service.auditor.escalated("bills") == {"total", "shop"}
            assert service.auditor.doubted("nothing") == frozenset()
            assert [said.partition(":")[0] for said in service.auditor.warnings("bills")] == ["quality-in-doubt"] * 2
        async with running(home) as service:  # another process begins with what is known
            assert service.auditor.doubted("bills")
            assert service.auditor.escalated("bills") == frozenset()

    run(work())


def test_audits_wait_while_the_large_tier_is_busy_and_the_queue_is_bounded(home: Home) -> None:
    async def work() -> None:
        async with running(home, queue=3) as service:
            service.large.gate.clear()
            task = service.engine.tasks["bills"]
            busy = asyncio.create_task(service.engine.extract(task, Request(Document("MUTIARA"), fields=("shop",))))
            await service.until(lambda: service.inference.depths["large"] > 0)
            for _ in range(5):
                document = Document("TOTAL 9.00")
                outcome = await service.engine.extract(task, Request(document, fields=("total",)))
                service.auditor.consider(task, document, outcome)
            assert service.told.dropped == [("queue-full", 1)] * 2
            await asyncio.sleep(0.3)
            assert service.told.audits == []
            service.large.gate.set()
            await busy
            await service.until(lambda: len(service.told.audits) == 3)

    run(work())


def test_what_is_not_audited_is_counted_with_its_reason(home: Home) -> None:
    async def work() -> None:
        async with running(home, daily_budget=0.0) as service:
            await service.answer("MUTIARA\nTOTAL 9.00")
            await service.until(lambda: service.told.dropped == [("budget", 1)])
        async with running(home, started=False) as service:
            await service.answer("MUTIARA\nTOTAL 9.00")
        assert service.told.dropped == [("stopped", 2)]
        async with running(home, Large(version="large-2")) as service:
            await service.answer("TOTAL 9.00")
            await service.until(lambda: bool(service.told.audits))
            # The audit is kept and counted, but the errors of another model are not known: nothing is tested.
            assert service.told.allowed == [None]
            assert service.store.standings() == []

    run(work())


def test_a_share_of_nothing_costs_nothing_and_keeps_nothing(home: Home) -> None:
    async def work() -> None:
        async with running(home, share=0.0, task_shares={"other": 1.0}) as service:
            await service.answer("MUTIARA\nTOTAL 9.00", 5)
            await asyncio.sleep(0.05)
            assert not service.store.database.exists
            assert service.told.audits == []

    run(work())


def test_a_persons_word_is_compared_under_the_fields_type(home: Home) -> None:
    async def work() -> None:
        async with running(home, by="person") as service:
            await service.answer("MUTIARA\nTOTAL 9.00")
            await service.until(lambda: len(open_questions(service.store)) == 2)
            question = open_questions(service.store)[0]
            task = service.engine.tasks["bills"]
            said = Correction("bills", "total", ("RM 9",), request_id=question["request_id"])
            kept = await service.auditor.correct(task, said)
            assert (kept.agree, kept.audit, service.told.verdicts) == (True, True, ["right"])
            assert service.large.asked == [("shop",)]

    run(work())


def test_traffic_that_changes_is_noticed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.audit.auditor.SHIFT_SECONDS", 0.05)
    monkeypatch.setattr("gateway.audit.auditor.REFRESH_SECONDS", 0.05)

    async def work() -> None:
        async with running(home, started=False, share=0.0) as service:
            task = service.engine.tasks["bills"]
            texts = [f"MUTIARA\nTOTAL {number}.00" for number in range(10, 60)]
            answered = [
                (text, (await service.engine.extract(task, Request(Document(text)))).extraction) for text in texts
            ]
            reference_of("bills", answered, ["MUTIARA TOTAL"], promise=task.promise).save(
                home.models / "bills" / "reference.json"
            )
        async with running(home, share=0.0, shift_share=1.0) as service:
            for number in range(60):
                await service.answer(f"Kaufhaus München, Gesamtbetrag: {number},00 € inkl. MwSt.")
            await service.until(lambda: service.told.shifted)
            assert service.auditor.warnings("bills")[0].startswith("traffic-shifted")
            [traffic] = report(service.store)["traffic"]
            assert traffic["documents"] > 0

    run(work())


def test_an_audit_is_held_against_what_was_measured_of_answers_like_it_and_else_against_nothing(home: Home) -> None:
    other = {"rules@0.9": COUNTS, "rules+large@0.95": COUNTS}

    async def work() -> None:
        async with running(home) as service:
            promise = service.engine.tasks["bills"].promise
            limits = []
            for number, (said, levels) in enumerate(
                [
                    (promise, {LEVEL: COUNTS}),
                    (promise, {LEVEL: COUNTS, **other}),
                    (promise, other),  # another chain, and another target
                    ("another", {LEVEL: COUNTS}),
                    (promise, {}),
                ]
            ):
                measured(home, said, {"total": levels})
                await service.answer("TOTAL 9.00")
                await service.until(lambda count=number: len(service.told.allowed) == count + 1)  # type: ignore[misc]
                limits.append(service.told.allowed[-1])
            # A quarter of 0.05 for each of two fields' limits, of which the levels measured have a share each.
            one, three = (allowed_disagreement(COUNTS, 0.1, 0.05 / 4 / levels) for levels in (1, 3))
            assert limits == [pytest.approx(one), pytest.approx(three), None, None, None]
            assert one < three
            assert service.store.standings()[0].evidence.steps == 2

    run(work())


def test_while_a_field_is_accepted_more_strictly_its_measured_limit_does_not_count(home: Home) -> None:
    path = home.models / "bills" / "policy.json"
    policy = Policy.load(path)
    stricter = {
        chain: {name: {**found, 0.95: Threshold(0.85, True, 90, 0, 100, 0.03)} for name, found in fields.items()}
        for chain, fields in policy.thresholds.items()
    }
    replace(policy, thresholds=stricter).save(path)

    async def work() -> None:
        async with running(home) as service:
            measured(home, service.engine.tasks["bills"].promise, {"total": {LEVEL: COUNTS}})
            await service.answer("TOTAL 9.00")
            await service.until(lambda: len(service.told.allowed) == 1)
            service.engine.doubted = lambda _task: frozenset({"total"})
            await service.answer("TOTAL 9.00")
            await service.until(lambda: len(service.told.allowed) == 2)
            assert service.told.allowed[0] is not None
            assert service.told.allowed[1] is None

    run(work())


def test_a_calibration_that_decides_the_same_is_the_same_promise(home: Home) -> None:
    path = home.models / "bills" / "policy.json"
    policy = Policy.load(path)

    async def promise() -> tuple[str | None, str | None]:
        async with running(home, started=False) as service:
            task = service.engine.tasks["bills"]
            return task.promise, task.policy_digest

    first = asyncio.run(promise())
    again = replace(policy, about={"created": "later"}, estimates={"large": TierEstimate(2.0, 0.0)})
    again.save(path)
    second = asyncio.run(promise())
    assert first[0] == second[0]
    assert first[1] != second[1]
    found = policy.thresholds["rules"]["total"][0.9]
    for changed in (
        replace(policy, thresholds={**policy.thresholds, "rules": {"total": {0.9: replace(found, value=0.81)}}}),
        replace(policy, versions={**policy.versions, "large": "large-2"}),
        replace(policy, absence={"rules": {"total": Combiner(0.0, {})}}),
    ):
        assert promise_digest(changed) != first[0]


def test_a_large_tier_that_stays_busy_is_given_up_and_the_money_comes_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.audit.large.WAIT_SECONDS", 0.3)

    async def work() -> None:
        async with running(home) as service:
            service.large.gate.clear()
            task = service.engine.tasks["bills"]
            busy = asyncio.create_task(service.engine.extract(task, Request(Document("MUTIARA"), fields=("shop",))))
            await service.until(lambda: service.inference.depths["large"] > 0)
            document = Document("TOTAL 9.00")
            outcome = await service.engine.extract(task, Request(document, fields=("total",)))
            service.auditor.consider(task, document, outcome)
            await service.until(lambda: service.told.dropped == [("busy", 1)])
            assert service.store.rows("SELECT amount FROM spending") == [{"amount": 0.0}]
            service.large.gate.set()
            await busy

    run(work())


def test_documents_for_calibration_are_drawn_whole_whatever_became_of_them(home: Home) -> None:
    async def work() -> None:
        async with running(home, share=0.0, calibration_share=1.0) as service:
            task = service.engine.tasks["bills"]
            document = Document("SUNDRIES", "doc")  # nothing that rules find; the shop is accepted, the total in review
            request = Request(document, fields=("total",), tiers=("rules",))
            service.auditor.consider(task, document, await service.engine.extract(task, request))
            await service.until(lambda: len(open_questions(service.store)) == 2)
            asked = {question["field"]: question for question in open_questions(service.store)}
            assert {name: question["state"] for name, question in asked.items()} == {
                "total": "review",
                "shop": "not-asked",
            }
            assert {question["sampled_for"] for question in asked.values()} == {"calibration"}
            request_id = asked["total"]["request_id"]
            kept = await service.auditor.correct(task, Correction("bills", "total", (), request_id=request_id))
            assert (kept.agree, kept.audit) == (True, True)
            kept = await service.auditor.correct(task, Correction("bills", "shop", ("X",), request_id=request_id))
            assert (kept.agree, kept.audit) == (None, True)
            assert open_questions(service.store) == []
            # Nothing was promised for either, so nothing is tested, and neither is in the rate of audits.
            assert service.store.standings() == []
            assert report(service.store)["audits"] == []
            # An accepted answer in such a document is an audit by a person all the same.
            await service.answer("MUTIARA\nTOTAL 9.00")
            await service.until(lambda: len(open_questions(service.store)) == 2)
            request_id = open_questions(service.store)[0]["request_id"]
            await service.auditor.correct(task, Correction("bills", "total", ("9.00",), request_id=request_id))
            assert {test.subject: test.evidence.steps for test in service.store.standings()} == {"*": 1, "total": 1}
            assert service.told.audits == []

    run(work())


def test_only_accepted_answers_with_a_guarantee_are_drawn_each_by_itself() -> None:
    fields = {
        "certified": FieldResult("accepted", (), "rules", 0.9, 0.9),
        "author": FieldResult("accepted", (), "rules", 0.9, AUTHOR),
        "alone": FieldResult("accepted", (), "rules", 0.9, None),
        "review": FieldResult("review", (), "rules", 0.9, None),
    }
    extraction = Extraction(fields, "review", ("rules",), (), {}, {})
    assert draw(extraction, 1.0) == ("certified", "author")
    chances = iter([0.4, 0.6])
    assert draw(extraction, 0.5, lambda: next(chances)) == ("certified",)
    drawn = sum(len(draw(extraction, 0.3)) for _ in range(4000))
    assert 0.27 < drawn / 8000 < 0.33


def test_where_the_database_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADE_STATE", raising=False)
    assert audit_path(Settings.read(state=tmp_path), None) == tmp_path / "audit.sqlite3"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    one, other = (audit_path(Settings.read(), tmp_path / name) for name in ("a", "b"))
    assert one != other
    assert one.is_relative_to(tmp_path / "xdg")
