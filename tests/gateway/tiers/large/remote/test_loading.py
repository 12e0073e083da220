"""A home whose large tier is remote: loading, calling without an event loop, costs and metrics."""

from __future__ import annotations

import asyncio
import threading

import pytest
import yaml
from prometheus_client import CollectorRegistry

from gateway.cost import cost_of, expected_amount
from gateway.document import Document, Work
from gateway.errors import TierUnavailable, UpstreamFileError
from gateway.home import Home
from gateway.inference.local import LocalInference, model_loader
from gateway.policy import TierEstimate
from gateway.task import CallPrice, Prices
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.upstreams import UpstreamMetrics
from gateway.tiers.base import is_async
from gateway.tiers.large.remote.upstreams import Upstreams
from gateway.tiers.loading import load_model_tiers
from tests.gateway.tiers.large.remote.conftest import TEXT, ask, propose
from tests.gateway.tiers.large.remote.faulty import after, fields, says

TASK = "task: bills\ntiers: [rules, large]\nfields:\n  shop: {type: text}\n  total: {type: money}\n"


@pytest.fixture
def make_home(tmp_path, monkeypatch):
    """Writes a home whose large tier calls ``url``."""
    monkeypatch.delenv("CASCADE_UPSTREAMS", raising=False)

    def make(url: str, *, upstream=None, remote=None, task=TASK) -> Home:
        rules, large = tmp_path / "rules" / "bills", tmp_path / "models" / "bills" / "large"
        rules.mkdir(parents=True, exist_ok=True)
        large.mkdir(parents=True, exist_ok=True)
        (rules / "task.yaml").write_text(task)
        described = {"name": "own", "base_url": url, "model": "m", **(upstream or {})}
        (tmp_path / "upstreams.yaml").write_text(yaml.safe_dump({"upstreams": [described]}))
        (large / "remote.yaml").write_text(yaml.safe_dump({"upstreams": ["own"], **(remote or {})}))
        return Home(tmp_path)

    return make


def load(home: Home, **options):
    return load_model_tiers(home, home.task("bills"), **options)["large"]


def test_it_is_loaded_without_a_call(make_home):
    tier, status = load(make_home("http://127.0.0.1:9/v1"))
    assert status.available
    assert (status.mode, status.version, tier.name) == ("remote", tier.version, "large")
    tier.close()


def test_on_an_event_loop_it_is_asynchronous(make_home, serve):
    home = make_home(serve(fields(total="9.00")).url)
    shared = Upstreams(home.upstreams)
    tier, _ = load(home, upstreams=shared)
    assert is_async(tier)
    [output] = propose(tier, [Document(TEXT)], ["total"])
    assert output.proposals["total"].best.normalised == "9.00"


def test_without_one_it_is_like_any_tier_from_several_threads(make_home, serve):
    server = serve(after(0.1, fields(total="9.00")))
    tier, _ = load(make_home(server.url))
    assert not is_async(tier)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(tier.propose([Document(TEXT)], ["total"])[0])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [output.proposals["total"].best.normalised for output in found] == ["9.00"] * 4
    assert server.most_under_way > 1
    server.then = says(404, b"")
    with pytest.raises(TierUnavailable, match="status 404"):
        tier.propose([Document(TEXT)], ["total"])
    tier.close()
    tier.close()  # twice is no harm


def test_a_secret_that_is_not_set_makes_the_tier_unavailable_and_nothing_else(make_home, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    home = make_home("https://api.example.com/v1", upstream={"api_key_env": "SOME_KEY"})
    tier, status = load(home)
    assert tier is None
    assert status.problem == "upstream own: the environment variable SOME_KEY is not set"


def test_switched_off_it_stays_off(make_home):
    assert load(make_home("http://127.0.0.1:9/v1"), large_mode="off")[1].problem == "the large tier is switched off"


def test_a_file_that_is_wrong_is_said_when_the_task_is_read(make_home):
    home = make_home("http://127.0.0.1:9/v1", remote={"upstreams": ["other"]})
    with pytest.raises(UpstreamFileError, match="no upstream is called 'other'"):
        home.task("bills")


def test_a_certificate_file_that_is_not_there_is_named(make_home):
    tier, status = load(make_home("https://api.example.com/v1", upstream={"tls": {"ca_file": "/nowhere/ca.pem"}}))
    assert tier is None
    assert status.problem.startswith("upstream own: tls: No such file")


@pytest.mark.parametrize(
    "change",
    [
        {"upstream": {"model": "other"}},
        {"upstream": {"structured": "text"}},
        {"remote": {"instructions": "Totals include tax."}},
        {"remote": {"seed": 1}},
        {"remote": {"confidence": {"prior": 0.4}}},
        {"remote": {"least_similarity": 95}},
        {"task": TASK + "  date: {type: date}\n"},
        {"task": TASK.replace("{type: money}", "{type: money, description: With tax.}")},
        {"task": TASK.replace("{type: money}", "{type: number}")},
        {"task": TASK + "day_first: false\n"},
    ],
)
def test_the_version_changes_with_what_shapes_answers(make_home, change):
    url = "http://127.0.0.1:9/v1"
    tier, before = load(make_home(url))
    tier.close()
    tier, after_change = load(make_home(url, **change))
    tier.close()
    assert before.version != after_change.version
    tier, again = load(make_home(url))
    tier.close()
    assert again.version == before.version


@pytest.mark.parametrize(
    "change",
    [
        {"upstream": {"timeouts": {"total": 7}}},
        {"upstream": {"name": "own", "concurrency": 3, "prices": {"per_call": 1}}},
        {"upstream": {"model": "vendor/m", "weights": "m"}},
        {"remote": {"retries": 0, "deadline": 5}},
    ],
)
def test_and_with_nothing_else(make_home, change):
    url = "http://127.0.0.1:9/v1"
    versions = set()
    for options in ({}, change):
        tier, status = load(make_home(url, **options))
        tier.close()
        versions.add(status.version)
    assert len(versions) == 1


# --- money ---


def test_what_is_billed_is_the_cost(make_home, serve):
    prices = {"input_per_1k": 1.0, "output_per_1k": 2.0}
    home = make_home(serve(fields(total="9.00")).url, upstream={"prices": prices})
    tier, _ = load(home, upstreams=Upstreams(home.upstreams))
    work = ask(tier, "total").work
    spec = home.task("bills")
    cost = cost_of({"large": work}, len(TEXT), spec.prices, {})
    computed = work.cpu_seconds * spec.prices.cpu_second
    assert cost.amount == cost.always_large == pytest.approx(0.1 + 0.04 + computed)


def test_what_it_would_have_cost_is_estimated_from_token_prices(make_home):
    home = make_home(
        "http://127.0.0.1:9/v1", upstream={"prices": {"input_per_1k": 1.0, "output_per_1k": 2.0, "per_call": 3.0}}
    )
    prices = home.task("bills").prices
    cost = cost_of({"rules": Work(cpu_seconds=1.0)}, 3000, prices, {})
    assert cost.amount == pytest.approx(prices.cpu_second)
    # 3,000 characters are 1,000 tokens, 80 are answered, and the prompt around the text has some.
    assert 3.0 + 1.0 + 0.16 < cost.always_large < 3.0 + 1.0 + 0.16 + 1.0
    longest = expected_amount("large", 10**9, prices, {})
    assert longest == expected_amount("large", 10**8, prices, {}) < 3.0 + 6.0 + 0.16 + 1.0


def test_samples_are_paid_for(make_home):
    url, upstream = "http://127.0.0.1:9/v1", {"prices": {"per_call": 1.0}}
    home = make_home(url, upstream=upstream, remote={"confidence": {"source": "agreement", "samples": 5}})
    assert expected_amount("large", 0, home.task("bills").prices, {}) == pytest.approx(5.0)


def test_work_of_one_s_own_is_added():
    prices = Prices("USD", 0.5, CallPrice(1.0, 0.01, 100))
    assert expected_amount("large", 50, prices, {"large": TierEstimate(2.0, 0.0)}) == pytest.approx(2.5)
    assert expected_amount("student", 50, prices, {}) is None


# --- metrics ---


def test_calls_retries_tokens_money_and_breakers_are_counted(make_home, serve):
    registry = CollectorRegistry()
    server = serve(says(500, b""), fields(total="9.00"))
    home = make_home(server.url, upstream={"prices": {"per_call": 0.5}})
    upstreams = Upstreams(home.upstreams, listener=UpstreamMetrics(Metrics(registry)))
    tier, _ = load(home, upstreams=upstreams)
    ask(tier, "total")
    samples = {
        ("cascade_upstream_requests_total", "outcome", "server-error"): 1,
        ("cascade_upstream_requests_total", "outcome", "ok"): 1,
        ("cascade_upstream_tokens_total", "kind", "prompt"): 100,
        ("cascade_upstream_tokens_total", "kind", "completion"): 20,
        ("cascade_upstream_cost_total", "currency", "USD"): 0.5,
    }
    for (name, label, value), expected in samples.items():
        assert registry.get_sample_value(name, {"upstream": "own", label: value}) == expected
    assert registry.get_sample_value("cascade_upstream_retries_total", {"upstream": "own"}) == 1
    assert registry.get_sample_value("cascade_breaker_open", {"upstream": "own"}) == 0


def test_tasks_share_a_client_and_a_changed_description_gets_another(make_home):
    url = "http://127.0.0.1:9/v1"
    home = make_home(url)
    upstreams = Upstreams(home.upstreams)
    first, again = (load(home, upstreams=upstreams)[0] for _ in range(2))
    changed = load(make_home(url, upstream={"model": "other"}), upstreams=upstreams)[0]
    assert first._clients == again._clients
    assert first._clients != changed._clients
    asyncio.run(upstreams.close())


# --- files that change ---


def test_a_client_is_closed_when_the_last_tier_lets_go_of_it(make_home, serve):
    server = serve()
    upstreams = Upstreams(make_home(server.url).upstreams)

    async def work() -> None:
        one, other = (load(make_home(server.url), upstreams=upstreams)[0] for _ in range(2))
        await one.close()
        await one.close()  # twice is no harm to the other
        assert (await other.propose([Document(TEXT)], ["total"]))[0].proposals["total"].best.normalised == "9.00"
        [client] = other._clients
        await other.close()
        assert client._http.is_closed

    asyncio.run(work())


class Watched:
    """A running inference over a home whose upstreams change."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry)
        self.inference = LocalInference(
            home, load=model_loader(remote_listener=UpstreamMetrics(metrics)), model_listener=metrics
        )

    async def ask(self):
        """The total, asked of the version in force."""
        version = (await self.status()).version
        [output] = await self.inference.propose("bills", "large", [Document(TEXT)], ["total"], version=version)
        return output.proposals["total"].best.normalised

    async def status(self):
        return (await self.inference.status("bills"))["large"]

    def sample(self, name: str, **labels: str):
        return self.registry.get_sample_value(name, labels)


def test_an_edit_of_the_upstreams_takes_effect_and_calls_under_way_come_to_their_end(make_home, serve):
    old, new = serve(after(0.5, fields(total="1.00"))), serve(fields(total="9.00"))

    async def work() -> None:
        watched = Watched(make_home(old.url, upstream={"prices": {"per_call": 1.0}}))
        before = await watched.status()
        calling = asyncio.create_task(watched.ask())
        while not old.received:
            await asyncio.sleep(0.01)
        make_home(new.url, upstream={"prices": {"per_call": 2.0}, "timeouts": {"total": 7}})
        assert await watched.inference.reload()
        assert await watched.ask() == "9.00"
        assert await calling == "1.00"
        after_edit = await watched.status()
        assert after_edit.version == before.version, "the same model: what was calibrated holds"
        assert (before.price.base, after_edit.price.base) == (1.0, 2.0)
        assert watched.sample("cascade_model_reloads_total", task="bills", result="replaced") == 1
        await watched.inference.reload()
        assert not watched.inference._ended, "the connections of the former are closed"
        assert not await watched.inference.reload(), "nothing changed"
        await watched.inference.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("upstreams: [", "upstreams.yaml: not YAML (line 1)"),
        ("", "upstreams.yaml: the file: "),
        ("upstreams:\n- {name: own, base_url: nowhere, model: m}\n", "upstreams.yaml: upstreams.0.base_url: "),
        ("upstreams:\n- {name: other, base_url: 'http://x/v1', model: m}\n", "no upstream is called 'own'"),
        ("upstreams:\n- {name: own, base_url: 'http://127.0.0.1/v1', model: m, api_key_env: NONE_SUCH}\n", "NONE_SUCH"),
        (None, "upstreams.yaml: cannot be read"),
    ],
    ids=["no-yaml", "empty", "no-url", "gone-upstream", "no-secret", "no-file"],
)
def test_a_broken_edit_of_the_upstreams_leaves_those_in_force(make_home, serve, broken, why, monkeypatch):
    monkeypatch.delenv("NONE_SUCH", raising=False)
    server = serve(fields(total="9.00"))

    async def work() -> None:
        home = make_home(server.url, upstream={"prices": {"per_call": 1.0}})
        watched = Watched(home)
        before = await watched.status()
        if broken is None:
            home.upstreams.unlink()
        else:
            home.upstreams.write_text(broken)
        assert not await watched.inference.reload()
        status = await watched.status()
        assert (status.version, status.available, status.price) == (before.version, True, before.price)
        assert why in status.refused
        assert str(home.path) not in status.refused
        assert await watched.ask() == "9.00"
        assert watched.sample("cascade_model_problems", task="bills") == 1
        assert watched.sample("cascade_model_reloads_total", task="bills", result="refused") == 1
        make_home(server.url, upstream={"prices": {"per_call": 1.0}})
        await watched.inference.reload()
        assert await watched.status() == before
        assert watched.sample("cascade_model_problems", task="bills") == 0
        assert await watched.ask() == "9.00"
        await watched.inference.close()

    asyncio.run(work())


def test_a_process_that_begins_while_an_edit_is_broken_says_so_and_takes_it_up_when_it_is_mended(make_home, serve):
    server = serve(fields(total="9.00"))

    async def work() -> None:
        home = make_home(server.url)
        home.upstreams.write_text("upstreams: [")
        watched = Watched(home)
        assert "not YAML" in (await watched.status()).problem
        with pytest.raises(TierUnavailable, match="not YAML"):
            await watched.ask()
        make_home(server.url)
        assert await watched.inference.reload()
        assert await watched.ask() == "9.00"
        await watched.inference.close()

    asyncio.run(work())
