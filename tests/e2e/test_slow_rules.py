"""Rules that run away, in a real server: their fields escalate, and others are answered meanwhile."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.home import Home

BILL = {"task": "bills", "text": "MUTIARA LTD\nTOTAL 9.00\n"}
ATTACK = {"task": "bills", "text": "a" * 300 + "!\nMUTIARA LTD\nTOTAL 9.00\n", "explain": True}


@pytest.fixture
def slow_home(tmp_path: Path, tiny_home: Home) -> Callable[[int], Home]:
    """The tiny home, and rules that run away on some texts, as many as asked for."""

    def make(count: int) -> Home:
        path = tmp_path / "home"
        shutil.copytree(tiny_home.path, path)
        patterns = {f"evil-{number}": f"^(a|a{{2,{2 + number}}})+$" for number in range(count)}
        rules = [{"id": name, "kind": "pattern", "pattern": pattern} for name, pattern in patterns.items()]
        rules.append({"id": "sound", "kind": "pattern", "pattern": r"\w+ LTD"})
        (path / "rules" / "bills" / "shop.yaml").write_text(json.dumps({"field": "shop", "rules": rules}))
        return Home(path)

    return make


def test_a_field_whose_rule_ran_out_of_time_goes_on_to_the_next_tier(
    start: Any, slow_home: Callable[[int], Home]
) -> None:
    service = start(slow_home(2))
    answer = service.extract(**ATTACK).json()
    assert answer["escalated"]["shop"] in ("student", "large")
    assert (answer["fields"]["total"]["tier"], answer["fields"]["total"]["normalised"]) == ("rules", "9.00")
    assert "rule-timeout" in json.dumps(answer)
    assert "rule-timeout" not in json.dumps(service.extract(**BILL, explain=True).json())
    metrics = service.get("/metrics").text
    assert re.search(r'^cascade_rule_timeouts_total\{rule="shop/evil-0",task="bills"\} [1-9]', metrics, re.MULTILINE)
    assert any(line["message"] == "rules ran out of time" for line in service.log_lines())
    assert service.stop() == 0


def test_the_server_answers_others_while_rules_run_away(start: Any, slow_home: Callable[[int], Home]) -> None:
    service = start(slow_home(40))
    under_way, done = threading.Event(), threading.Event()
    statuses: list[int] = []

    def attack() -> None:
        with service.client() as client:
            for _ in range(60):
                statuses.append(client.post("/v1/extract", json=ATTACK).status_code)
                under_way.set()
        done.set()

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    assert under_way.wait(30)
    answered = 0
    with service.client() as client:
        while not done.is_set():
            answer = client.post("/v1/extract", json=BILL)
            assert answer.status_code == 200
            assert answer.json()["fields"]["total"]["normalised"] == "9.00"
            assert client.get("/healthz").status_code == 200
            answered += not done.is_set()
    for attacker in attackers:
        attacker.join()
    assert statuses == [200] * 120
    assert answered >= 10
    # What keeps running out of time is set aside, and said once.
    aside = [line["rule"] for line in service.log_lines() if "set aside" in line["message"]]
    assert aside
    assert len(aside) == len(set(aside))
    assert re.search(r'^cascade_rules_set_aside\{task="bills"\} [1-9]', service.get("/metrics").text, re.MULTILINE)
    assert "set aside because it kept running out of time" in service.get("/readyz").text
    assert service.stop() == 0
