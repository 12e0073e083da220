"""Another version of a task's models under load, with real worker processes: no request fails, none sees a mixture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.home import Home
from gateway.versions import Versions
from tests.e2e.load import Load
from tests.gateway.versions.bills import SHOPS, make_home, write_data, write_models

pytest.importorskip("onnx", reason="making a student needs onnx: pip install 'cascade-gateway[dev]'")

Service = Any
#: Both versions know this shop; only the second knows the other.
KNOWN, LEARNED = "KEDAI\n1 THING\nTOTAL 1.50", "TEA\n1 THING\nTOTAL 1.50"


def served(service: Service) -> tuple[str, str]:
    versions = service.extract(task="bills", text=KNOWN).json()["versions"]
    return versions["student"], versions["policy"]


def test_a_running_gateway_takes_up_a_promoted_version_without_a_gap(
    tmp_path: Path, start: Callable[..., Service], eventually: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_MODEL_POLL_SECONDS", "0.5")
    home: Home = make_home(tmp_path / "home")
    data = write_data(tmp_path / "bills.jsonl")
    versions = Versions(home, "bills")
    old = versions.add(write_models(home, tmp_path / "old", SHOPS[:2])).name
    new = versions.add(write_models(home, tmp_path / "new", SHOPS)).name

    def run(*arguments: object) -> None:
        result = CliRunner().invoke(main, ["--home", str(home.path), "models", *map(str, arguments)])
        assert result.exit_code == 0, result.output

    run("promote", "bills", old)
    service = start(home, "--workers", "2", "--log-level", "warning")
    before = served(service)
    assert service.extract(task="bills", text=LEARNED).json()["fields"]["shop"]["state"] == "review"
    load = Load(service.address, KNOWN, pause=0.02)
    load.start(3)
    run("promote", "bills", new, "--data", data)
    eventually(lambda: served(service) not in (before,) and all(one not in before for one in served(service)), 60.0)
    eventually(lambda: service.extract(task="bills", text=LEARNED).json()["fields"]["shop"]["state"] == "accepted")
    after = served(service)
    run("rollback", "bills")
    eventually(lambda: served(service) == before, 60.0)
    answers = load.end()

    assert load.failures == []
    assert len(answers) > 100
    # A policy and the student it was calibrated with take effect together, and nobody is ever sent to review.
    assert {(one["versions"]["student"], one["versions"]["policy"]) for one in answers} == {before, after}
    assert {one["fields"]["shop"]["state"] for one in answers} == {"accepted"}
    assert {one["status"] for one in answers} == {"complete"}
