"""Which tiers a request may use, and what that means for what is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.admission import admit
from gateway.document import TIERS, Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.engine import Engine, Request
from gateway.errors import TierUnavailable
from gateway.extraction import Outcome
from gateway.home import Home
from gateway.inference.base import OUT, TierStatus
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.task import Prices

PRICES = Prices(cpu_second=1.0)
ESTIMATES = {"rules": TierEstimate(1.0, 0.0), "student": TierEstimate(2.0, 0.0), "large": TierEstimate(4.0, 1.0)}


def tiers(budget: float | None = None, characters: int = 0, **more: object) -> tuple[TierName, ...]:
    terms = {"prices": PRICES, "estimates": ESTIMATES, "out": {}, "budget": budget, **more}
    return admit(TIERS, characters, **terms).tiers  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "characters", "allowed"),
    [
        (None, 10, TIERS),
        (7.0, 0, TIERS),
        (6.9, 0, ("rules", "student")),
        (7.0, 1, ("rules", "student")),
        (2.9, 0, ("rules",)),
        (0.0, 0, ()),
    ],
)
def test_all_tiers_together_must_be_expected_to_fit_the_budget(
    budget: float | None, characters: int, allowed: tuple[TierName, ...]
) -> None:
    assert tiers(budget, characters) == allowed


def test_what_is_out_costs_nothing_and_what_is_not_known_is_not_expected_to() -> None:
    assert tiers(5.0, out={"student": "down"}) == ("rules", "large")
    assert tiers(0.0, estimates={}) == TIERS


def test_a_deadline_that_cannot_be_kept_leaves_a_tier_out_and_never_the_rules() -> None:
    admission = admit(TIERS, 0, prices=PRICES, estimates=ESTIMATES, out={}, deadline=0.5)
    assert admission.tiers == ("rules",)
    assert set(admission.unavailable) == {"student", "large"}
    assert not admission.over_budget
    assert tiers(deadline=7.0) == TIERS


class Scripted:
    """Model tiers that find one shop with a given score, or raise."""

    def __init__(self, score: float, errors: dict[TierName, Exception] | None = None) -> None:
        self.score, self.errors = score, errors or {}
        self.asked: list[TierName] = []
        self.epoch = "one"

    async def status(self, _task: str) -> dict[TierName, TierStatus]:
        return {"student": TierStatus("s"), "large": TierStatus("l")}

    async def propose(self, _task: str, tier: TierName, documents: list[Document], *_: object, **__: object):  # type: ignore[no-untyped-def]
        self.asked.append(tier)
        if tier in self.errors:
            raise self.errors[tier]
        found = Proposal((Candidate("Melur", "Melur", "melur", ((0, 5),), self.score, tier),))
        return [TierOutput({"shop": found}, Work(0.001)) for _ in documents]

    def full_for(self, _tier: TierName) -> float:
        return 0.0

    async def close(self) -> None:
        return None


#: As of the receipts: the whole chain is certified from a laxer threshold on than the one without the large tier.
FULL, SHORT = 0.6792, 0.7311


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    path: Path = tmp_path_factory.mktemp("home")
    (path / "rules" / "bills").mkdir(parents=True)
    (path / "rules" / "bills" / "task.yaml").write_text("task: bills\nquality: 0.95\nfields:\n  shop: {type: text}\n")
    home = Home(path)
    lax, strict = (Threshold(value, True, 100, 1, 100, 0.04) for value in (FULL, SHORT))
    Policy(
        "bills",
        thresholds={chain_name(chain): {"shop": {0.95: lax if chain == TIERS else strict}} for chain in all_chains()},
        versions={"student": "s", "large": "l", "rules": {"shop": ""}},
        estimates=ESTIMATES,
    ).save(home.models / "bills" / "policy.json")
    return home


@contextmanager
def opened(home: Home, inference: Scripted) -> Iterator[tuple[Engine, asyncio.Runner]]:
    with asyncio.Runner() as runner:
        engine = runner.run(Engine.open(home, inference))  # type: ignore[arg-type]
        task = engine.tasks["bills"]
        # The rules there are none of count as measured, so that all three tiers are one chain.
        trusted = replace(task, not_trusted={}, spec=replace(task.spec, prices=PRICES))
        engine.replace({"bills": trusted})
        yield engine, runner


def ask(engine: Engine, runner: asyncio.Runner, **terms: object) -> Outcome:
    request = Request(Document("Melur"), **terms)  # type: ignore[arg-type]
    return runner.run(engine.extract(engine.tasks["bills"], request))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(score=st.floats(0, 1), budget=st.floats(3.0, 11.9))
def test_a_budget_that_never_admits_the_large_tier_is_the_chain_without_it(
    home: Home, score: float, budget: float
) -> None:
    with opened(home, Scripted(score)) as (engine, runner):
        bounded = ask(engine, runner, budget=budget)
        shorter = ask(engine, runner, tiers=("rules", "student"))
    assert bounded.extraction.fields == shorter.extraction.fields
    assert bounded.extraction.tiers == shorter.extraction.tiers
    assert bounded.extraction.status == shorter.extraction.status
    assert set(bounded.not_asked) == {"large"}
    shop = bounded.extraction.fields["shop"]
    assert (shop.state == "accepted") == (shop.confidence >= SHORT)


def test_without_a_budget_the_laxer_threshold_of_the_whole_chain_holds(home: Home) -> None:
    with opened(home, Scripted(0.7)) as (engine, runner):
        assert ask(engine, runner).extraction.fields["shop"].state == "accepted"
        assert ask(engine, runner, budget=11.0).extraction.fields["shop"].state == "review"


def test_what_was_really_spent_may_leave_no_budget_and_then_nothing_more_is_accepted(home: Home) -> None:
    class Dear(Scripted):
        async def propose(self, _task: str, tier: TierName, documents: list[Document], *_: object, **__: object):  # type: ignore[no-untyped-def]
            [output] = await super().propose(_task, tier, documents)
            return [replace(output, work=Work(9.0))]

    with opened(home, Dear(0.5)) as (engine, runner):
        outcome = ask(engine, runner, budget=15.0)
    shop = outcome.extraction.fields["shop"]
    assert (shop.state, shop.guarantee, outcome.extraction.status) == ("review", None, "review")
    assert "9 spent of a budget of 15" in outcome.not_asked["large"]


def test_a_tier_that_is_out_is_left_out_from_the_start_by_the_requests_after(home: Home) -> None:
    out = TierUnavailable("large: left alone", detail=OUT, retry_after=30.0)
    inference = Scripted(0.5, {"large": out})
    with opened(home, inference) as (engine, runner):
        first = ask(engine, runner)  # learns it on the way
        inference.score = 0.7
        second = ask(engine, runner)
    assert first.extraction.evidence["shop"].chain == TIERS
    assert second.extraction.evidence["shop"].chain == ("rules", "student")
    assert second.extraction.unavailable == {"large": "large: left alone"}
    # 0.7 would do for the whole chain, and not for the one that is there.
    for outcome in (first, second):
        assert (outcome.extraction.fields["shop"].state, outcome.extraction.status) == ("review", "degraded")
    assert inference.asked == ["student", "large", "student"]
