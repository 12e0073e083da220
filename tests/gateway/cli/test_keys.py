from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.http.keyfile import read_keys


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Calls ``cascade keys`` on a file of this test."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["keys", *arguments], env={"CASCADE_KEYS": str(tmp_path / "keys.json")})

    return call


def test_a_key_is_added_with_its_limits(run: Any, tmp_path: Path) -> None:
    added = json.loads(run("add", "billing", "--rate", "5", "--burst", "9", "--daily-budget", "0.5", "--json").stdout)
    [key] = read_keys(tmp_path / "keys.json").values()
    assert (key.id, key.name, key.roles) == (added["id"], "billing", ("extract",))
    assert (key.rate, key.burst, key.daily_budget, key.expires) == (5.0, 9.0, 0.5, None)
    assert added["key"].startswith(f"cg_{key.id}_")


def test_keys_are_listed_without_their_hashes(run: Any, tmp_path: Path) -> None:
    run("add", "one", "--role", "admin", "--role", "extract")
    run("add", "two", "--days", "0.0000001")
    listed = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [(key["name"], key["state"]) for key in listed] == [("one", "good"), ("two", "expired")]
    assert "sha256" not in listed[0]
    lines = run("list").stdout.splitlines()
    assert len(lines) == 2
    assert "admin,extract" in lines[0]
    assert all(key.sha256 not in run("list").stdout for key in read_keys(tmp_path / "keys.json").values())


def test_a_revoked_key_stays_listed(run: Any) -> None:
    identifier = json.loads(run("add", "one", "--json").stdout)["id"]
    assert run("revoke", identifier).exit_code == 0
    assert run("revoke", identifier).exit_code == 0
    assert json.loads(run("list", "--json").stdout)["state"] == "revoked"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", " "), 2),
        (("add", "x" * 101), 2),
        (("add", "x", "--burst", "2"), 2),
        (("add", "x", "--rate", "0"), 2),
        (("add", "x", "--daily-budget", "-1"), 2),
        (("add", "x", "--days", "1e300"), 2),
        (("add", "x", "--role", "owner"), 2),
        (("list",), 1),
        (("revoke", "0" * 12), 1),
    ],
)
def test_wrong_use_changes_nothing(run: Any, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert not (tmp_path / "keys.json").exists()


def test_an_unknown_id_is_wrong_use(run: Any) -> None:
    run("add", "one")
    result = run("revoke", "0" * 12)
    assert (result.exit_code, "no key has the id" in result.output) == (2, True)
