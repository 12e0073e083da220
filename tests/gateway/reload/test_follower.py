"""One worker's engine follows what is published."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.document import Document, TierName, TierOutput
from gateway.engine import Engine, Request
from gateway.errors import RuleFileError, UnknownTask
from gateway.http.describe import readiness
from gateway.inference.base import TierStatus
from gateway.policy import Policy
from gateway.reload.follower import PAIRING_SECONDS, Follower
from gateway.reload.hosting import follower
from gateway.telemetry.metrics import Metrics
from gateway.trust import rule_digests

Bench = Any
Text = Callable[..., str]


class Models:
    """Stands for the process that runs models: which versions there are is the test's to say."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[TierName, str]] = {"bills": {}}
        self.asked: list[str | None] = []

    @property
    def epoch(self) -> str:
        return repr(self.versions)

    async def status(self, task: str) -> Mapping[TierName, TierStatus]:
        if task not in self.versions:
            raise UnknownTask(task)
        return {tier: TierStatus(version) for tier, version in self.versions[task].items()}

    async def propose(
        self, task: str, tier: TierName, documents: Sequence[Document], fields: Sequence[str], **terms: Any
    ) -> list[TierOutput]:
        self.asked.append(terms["version"])
        return [TierOutput() for _ in documents]

    async def close(self) -> None:
        return None


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def opened(bench: Bench, models: Models) -> tuple[Follower, Engine]:
    """A follower that takes a step only when the test says so."""
    following = Follower(bench.home, bench.store, models, interval=3600)
    return following, await following.open()


async def extract(engine: Engine, text: str) -> tuple[str | None, int]:
    outcome = await engine.extract(engine.tasks["bills"], Request(Document(text)))
    candidates = outcome.extraction.fields["total"].candidates
    return (candidates[0].value if candidates else None, outcome.versions["generation"])


def test_a_published_edit_is_in_force_after_a_step(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        following, engine = await opened(bench, models)
        assert await extract(engine, "TOTAL 9.00") == ("9.00", 1)
        bench.write(total_rules("SUM"))
        bench.wait()
        assert await extract(engine, "TOTAL 9.00") == ("9.00", 1)
        await following.step()
        assert await extract(engine, "TOTAL 9.00") == (None, 2)
        assert await extract(engine, "SUM 7.00") == ("7.00", 2)
        assert [state["bills"].generation for state in bench.store.workers().values()] == [2]
        await engine.close()

    runner.run(main())


def test_a_request_under_way_ends_with_the_generation_it_began_with(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        following, engine = await opened(bench, models)
        task = engine.tasks["bills"]
        bench.write(total_rules("SUM"))
        bench.wait()
        await following.step()
        outcome = await engine.extract(task, Request(Document("TOTAL 9.00")))
        assert outcome.extraction.fields["total"].present
        assert outcome.versions["generation"] == 1
        assert outcome.versions["rules"] != engine.tasks["bills"].versions["rules"]
        await engine.close()

    runner.run(main())


def test_a_broken_edit_shows_in_readiness_and_metrics(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        metrics = Metrics(CollectorRegistry())
        following = follower(bench.home, bench.store, models, metrics)
        engine = await following.open()
        bench.write("field: total\nrules: [")
        bench.wait()
        await following.step()
        ready, report = await readiness(engine)
        assert (ready, report["status"]) == (True, "degraded")
        [problem] = report["reload"]["problems"]
        assert (problem["task"], problem["file"], problem["code"]) == ("bills", "rules/bills/total.yaml", "R006")
        assert any("R006" in text and "stays in force" in text for text in report["tasks"]["bills"]["problems"])
        scrape = metrics.exposition()[0].decode()
        assert 'cascade_config_reloads_total{result="rejected"} 1.0' in scrape
        assert 'cascade_config_problems{task="bills"} 1.0' in scrape
        assert 'cascade_rules_generation{task="bills"} 1.0' in scrape
        bench.write(total_rules())
        bench.wait()
        await following.step()
        assert (await readiness(engine))[1]["reload"]["problems"] == []
        await engine.close()

    runner.run(main())


def test_tasks_come_and_go_and_a_new_one_without_models_takes_nobody_out_of_service(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        following, engine = await opened(bench, models)
        other = bench.home.rules / "notes"
        other.mkdir()
        (other / "task.yaml").write_text("task: notes\nfields:\n  total: {type: money}\n")
        (other / "total.yaml").write_text(total_rules())
        bench.wait()
        await following.step()
        assert set(engine.tasks) == {"bills", "notes"}
        ready, report = await readiness(engine)
        assert ready
        assert (report["tasks"]["notes"]["status"], report["status"]) == ("not-ready", "degraded")
        shutil.rmtree(other)
        bench.wait()
        await following.step()
        assert set(engine.tasks) == {"bills"}
        await engine.close()

    runner.run(main())


def test_a_worker_that_starts_later_uses_the_generation_in_force(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        bench.write(total_rules("SUM"))
        bench.wait()
        bench.write("broken: [")
        bench.wait()
        _, engine = await opened(bench, models)
        assert await extract(engine, "SUM 7.00") == ("7.00", 2)
        await engine.close()

    runner.run(main())


def test_a_copy_that_is_gone_is_a_problem_and_not_an_end(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        following, engine = await opened(bench, models)
        bench.write(total_rules("SUM"))
        published = bench.wait()
        bench.store.remove(published.tasks["bills"].directory)
        await following.step()
        assert await extract(engine, "TOTAL 9.00") == ("9.00", 1)
        assert any("generation 2 cannot be loaded" in text for text in following.problems("bills"))
        bench.write(total_rules("DUE"))
        bench.wait()
        await following.step()
        assert await extract(engine, "DUE 9.00") == ("9.00", 3)
        assert following.problems("bills") == []
        await engine.close()

    runner.run(main())


def test_what_cannot_be_loaded_at_the_start_is_said_with_its_own_place(
    bench: Bench, models: Models, runner: asyncio.Runner
) -> None:
    bench.write("field: total\nrules:\n  - {id: a, kind: pattern, pattern: '('}\n")
    bench.publisher.start()
    with pytest.raises(RuleFileError, match=str(bench.rules / "total.yaml")):
        runner.run(Follower(bench.home, bench.store, models).open())


def test_a_rule_that_was_set_aside_stays_so_until_it_is_edited(
    bench: Bench, models: Models, runner: asyncio.Runner, total_rules: Text
) -> None:
    async def main() -> None:
        following, engine = await opened(bench, models)
        before = engine.tasks["bills"].rules.strikes
        bench.write(total_rules("SUM"))
        bench.wait()
        await following.step()
        assert engine.tasks["bills"].rules.strikes is before
        await engine.close()

    runner.run(main())


def test_a_policy_and_the_model_it_was_made_for_are_taken_up_together(
    bench: Bench, models: Models, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calibrate(student: str, engine: Engine) -> None:
        rules = engine.tasks["bills"].rules.rules
        versions = {"rules": rules.field_digests, "rule_digests": rule_digests(rules), "student": student}
        Policy("bills", versions=versions).save(bench.home.models / "bills" / "policy.json")
        bench.wait()

    def state(engine: Engine) -> tuple[str | None, int, frozenset[TierName]]:
        task = engine.tasks["bills"]
        return task.models["student"].version, task.generation, task.not_trusted["total"]

    async def main() -> None:
        bench.write("task: bills\ntiers: [rules, student]\nfields:\n  total: {type: money}\n", "task.yaml")
        bench.wait()
        models.versions["bills"] = {"student": "one"}
        following, engine = await opened(bench, models)
        calibrate("one", engine)
        await following.step()
        assert state(engine) == ("one", 3, frozenset())
        models.versions["bills"] = {"student": "two"}
        await following.step()
        assert state(engine) == ("one", 3, frozenset())  # waits for the policy
        await extract(engine, "nothing")
        assert models.asked == ["one"]
        calibrate("two", engine)
        await following.step()
        assert state(engine) == ("two", 4, frozenset())
        calibrate("three", engine)
        await following.step()
        assert state(engine) == ("two", 4, frozenset())  # waits for the model
        now = asyncio.get_running_loop().time()
        monkeypatch.setattr("gateway.reload.follower.time.monotonic", lambda: now + 2 * PAIRING_SECONDS)
        await following.step()
        assert state(engine) == ("two", 5, frozenset({"student"}))  # in vain
        await engine.close()

    runner.run(main())
