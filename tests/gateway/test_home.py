from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import HomeNotFound, InvalidRequest, TaskFileError, UnknownTask
from gateway.home import Home, cache_directory, find_home, write_starter

TASK = "fields:\n  total: {type: money}\n"


def make_home(path: Path, *tasks: str) -> Path:
    (path / "rules").mkdir(parents=True)
    for task in tasks:
        (path / "rules" / task).mkdir()
        (path / "rules" / task / "task.yaml").write_text(TASK)
    return path


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CASCADE_HOME", raising=False)
    monkeypatch.delenv("CASCADE_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_flag_wins_over_the_variable_and_that_over_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, variable, here = (make_home(tmp_path / name) for name in ("flag", "variable", "here"))
    monkeypatch.chdir(here)
    assert find_home().path == here
    monkeypatch.setenv("CASCADE_HOME", str(variable))
    assert find_home().path == variable
    assert find_home(flag).path == flag


def test_a_relative_flag_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_home(tmp_path / "here")
    home = find_home(Path("here"))
    monkeypatch.chdir("/")
    assert home.rules.is_dir()


@pytest.mark.parametrize("named_by", ["--home", "CASCADE_HOME", "the working directory"])
def test_a_place_without_rules_is_an_error_that_says_what_to_do(
    named_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(make_home(tmp_path / "good"))  # what was named is not passed over for the next place
    if named_by == "CASCADE_HOME":
        monkeypatch.setenv("CASCADE_HOME", str(empty))
    elif named_by == "the working directory":
        monkeypatch.chdir(empty)
    with pytest.raises(HomeNotFound) as caught:
        find_home(empty if named_by == "--home" else None)
    assert f"{empty} ({named_by})" in caught.value.message
    assert "cascade init" in caught.value.message


def test_tasks_are_the_directories_that_hold_a_task_file(tmp_path: Path) -> None:
    home = Home(make_home(tmp_path / "home", "receipts", "contracts"))
    (home.rules / "library").mkdir()
    (home.rules / "notes.txt").write_text("")
    assert home.tasks() == ["contracts", "receipts"]
    assert home.task("receipts").name == "receipts"


def test_hidden_directories_and_copies_of_tasks_are_no_tasks(tmp_path: Path) -> None:
    home = Home(make_home(tmp_path / "home", "receipts", ".git", "receipts-old", "letters", "renamed"))
    (home.rules / "receipts-old" / "task.yaml").write_text(f"# kept\ntask: 'receipts'  # the real one\n{TASK}")
    (home.rules / "renamed" / "task.yaml").write_text(f"task: gone\n{TASK}")
    assert home.tasks() == ["letters", "receipts", "renamed"]
    assert home.copies() == {"receipts-old": "receipts"}
    # What a directory of its own names wrongly is a mistake, and no copy.
    for name in ("receipts-old", "renamed"):
        with pytest.raises(TaskFileError, match="but the directory is called"):
            home.task(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "receipts/../receipts", "/etc", "nul\0", "Receipts", "x" * 9999]
)
def test_a_name_is_never_used_as_a_path(name: str, tmp_path: Path) -> None:
    make_home(tmp_path / "secret")
    (tmp_path / "secret" / "task.yaml").write_text(TASK)
    home = Home(make_home(tmp_path / "home", "receipts"))
    with pytest.raises(UnknownTask) as caught:
        home.task(name)
    assert caught.value.detail == {"tasks": ["receipts"]}
    assert len(caught.value.message) < 500


def test_a_task_file_must_name_its_own_directory(tmp_path: Path) -> None:
    home = Home(make_home(tmp_path / "home", "receipts"))
    (home.rules / "receipts" / "task.yaml").write_text("task: contracts\n" + TASK)
    with pytest.raises(TaskFileError, match=r"contracts.*receipts"):
        home.task("receipts")


def test_the_cache_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_directory() == Path.home() / ".cache" / "cascade-gateway"
    monkeypatch.setenv("CASCADE_CACHE", str(tmp_path / "elsewhere"))
    assert Home(tmp_path).cache == tmp_path / "elsewhere"


def test_the_starter_home_is_a_home_with_tasks(tmp_path: Path, project_home: Home) -> None:
    written = write_starter(tmp_path / "new" / "home")
    assert find_home(written.path).tasks() == project_home.tasks()
    assert (written.models / "bases.yaml").is_file()


@pytest.mark.parametrize("part", ["rules", "models"])
def test_the_starter_home_overwrites_nothing(part: str, tmp_path: Path) -> None:
    (tmp_path / part).mkdir()
    (tmp_path / part / "mine.yaml").write_text("mine")
    with pytest.raises(InvalidRequest, match=part):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == [part, "mine.yaml"]


def test_the_starter_home_needs_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="not a directory"):
        write_starter(tmp_path / "file")
