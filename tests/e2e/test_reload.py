"""Edits under load, with real worker processes: no request fails, is lost, or sees half of an edit."""

from __future__ import annotations

import collections
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.home import Home
from tests.e2e.load import Load

Service = Any
TASK = "task: bills\nquality: 0.9\ntiers: [rules]\nfields:\n  total: {type: money}\n  shop: {type: text}\n"
BROKEN = ("field: total\nrules: [", "field: total\nrules:\n  - {id: a, kind: pattrn}\n", "\x00", "")
MARKS = 10
#: Under this load on a small machine; docs/reload.md has what is measured without it.
CONVERGENCE_SECONDS = 10.0


def rule_file(name: str, mark: int) -> str:
    """A field's rules of one edit: they find the value that stands behind the edit's mark."""
    value = "\\d+\\.\\d\\d" if name == "total" else "shop\\d+"
    return (
        f"field: {name}\nrules:\n  - {{id: after, kind: anchor, label: 'M{mark}', value: '{value}',"
        " author_precision: 0.95}\n"
    )


#: Every edit's rules find another pair of values in it.
TEXT = "\n".join(f"M{mark} {mark}.00\nM{mark} shop{mark}" for mark in range(MARKS))


def write_both(rules: Path, mark: int) -> None:
    """One edit of two files, a moment apart."""
    for name in ("total", "shop"):
        temporary = rules / f".{name}.part"
        temporary.write_text(rule_file(name, mark))
        temporary.rename(rules / f"{name}.yaml")
        time.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    rules = made.rules / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    write_both(rules, 0)
    return made


def generation(service: Service, task: str = "bills") -> dict[str, Any]:
    found: dict[str, Any] = service.get("/readyz").json()["reload"]["generations"][task]
    return found


def converged(service: Service, number: int) -> bool:
    """Whether both workers have the newest generation, which is ``number`` or a later one."""
    if service.get("/readyz").status_code != 200:
        return False  # still loading
    state = generation(service)
    return state["published"] >= number and state["in_force"] == [state["published"]] * 2


def test_edits_under_load(home: Home, start: Callable[..., Service], eventually: Callable[..., None]) -> None:
    service = start(home, "--workers", "2", "--log-level", "warning")
    rules = home.rules / "bills"
    eventually(lambda: converged(service, 1))
    load = Load(service.address, TEXT)
    load.start(4)
    for mark in range(1, MARKS):
        before = generation(service)["published"]
        if mark % 3 == 0:
            (rules / "total.yaml").write_text(BROKEN[mark // 3 % len(BROKEN)])
            eventually(lambda: bool(service.get("/readyz").json()["reload"]["problems"]))
            assert generation(service)["published"] == before
        write_both(rules, mark)
        eventually(lambda number=before + 1: converged(service, number), CONVERGENCE_SECONDS)
        assert service.get("/readyz").json()["reload"]["problems"] == []
    answers = load.end()

    assert load.failures == []
    assert len(answers) == sum(load.sent)
    assert len(answers) > 1000
    # Both files of an edit take effect together, and a generation is one set of rules, whoever answers.
    digests = collections.defaultdict(set)
    for answer in answers:
        total, shop = answer["fields"]["total"], answer["fields"]["shop"]
        assert total["state"] == shop["state"] == "accepted"
        assert f"shop{total['value'].removesuffix('.00')}" == shop["value"]
        digests[answer["versions"]["generation"]].add(answer["versions"]["rules"])
    assert all(len(found) == 1 for found in digests.values())
    assert set(digests) == set(range(1, MARKS + 1))
    # A connection stays with one worker, whose generations only grow.
    for seen in load.answers:
        numbers = [answer["versions"]["generation"] for answer in seen]
        assert numbers == sorted(numbers)
    scrape = service.get("/metrics").text
    assert f'cascade_config_reloads_total{{result="published"}} {MARKS - 1}.0' in scrape
    assert f'cascade_config_reloads_total{{result="rejected"}} {(MARKS - 1) // 3}.0' in scrape
    assert f'cascade_rules_generation{{task="bills"}} {MARKS}.0' in scrape
    rejected = [line for line in service.log_lines() if line["message"].startswith("edited rules are wrong")]
    assert len(rejected) == (MARKS - 1) // 3


def test_a_worker_that_is_started_again_has_what_the_others_have(
    home: Home, start: Callable[..., Service], eventually: Callable[..., None]
) -> None:
    service = start(home, "--workers", "2")
    eventually(lambda: converged(service, 1))
    write_both(home.rules / "bills", 5)
    eventually(lambda: converged(service, 2))
    (home.rules / "bills" / "total.yaml").write_text("broken: [")
    eventually(lambda: bool(service.get("/readyz").json()["reload"]["problems"]))
    worker = next(line["pid"] for line in service.log_lines() if line.get("process") == "worker-1")
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: any(line["message"] == "process died" for line in service.log_lines()))
    eventually(lambda: converged(service, 2))
    for _ in range(20):
        answer = service.extract(task="bills", text=TEXT).json()
        assert (answer["versions"]["generation"], answer["fields"]["total"]["value"]) == (2, "5.00")


def test_one_worker_follows_too_and_tasks_come_and_go(
    home: Home, start: Callable[..., Service], eventually: Callable[..., None]
) -> None:
    service = start(home)
    eventually(lambda: service.get("/readyz").status_code == 200)
    shutil.copytree(home.rules / "bills", home.rules / "notes")
    (home.rules / "notes" / "task.yaml").write_text(TASK.replace("bills", "notes"))
    eventually(lambda: service.extract(task="notes", text=TEXT).status_code == 200)
    shutil.rmtree(home.rules / "notes")
    eventually(lambda: service.extract(task="notes", text=TEXT).status_code == 404)
    write_both(home.rules / "bills", 3)
    eventually(lambda: service.extract(task="bills", text=TEXT).json()["fields"]["shop"]["value"] == "shop3")
    assert service.stop() == 0
    assert not list(service.temporary.iterdir())


def test_reloading_can_be_turned_off(
    home: Home, start: Callable[..., Service], eventually: Callable[..., None]
) -> None:
    service = start(home, "--no-reload")
    eventually(lambda: service.get("/readyz").status_code == 200)
    write_both(home.rules / "bills", 3)
    time.sleep(1.5)
    assert service.extract(task="bills", text=TEXT).json()["versions"]["generation"] == 1
    assert service.get("/readyz").json()["reload"]["watching"] is False
