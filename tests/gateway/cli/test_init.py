from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import main


def test_init_writes_a_home_that_the_other_commands_work_in(tmp_path: Path) -> None:
    target = tmp_path / "home"
    result = CliRunner().invoke(main, ["init", str(target)])
    assert result.exit_code == 0
    assert "tasks: receipts" in result.stdout
    assert CliRunner().invoke(main, ["--home", str(target), "models", "list"]).exit_code == 0


def test_init_twice_changes_nothing(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["init", str(tmp_path)])
    mine = tmp_path / "rules" / "receipts" / "task.yaml"
    mine.write_text("mine")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 2
    assert "nothing was written" in result.stderr
    assert mine.read_text() == "mine"
