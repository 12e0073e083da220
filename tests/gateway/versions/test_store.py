from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, ModelCorrupt, ModelMissing, UnknownVersion
from gateway.home import Home
from gateway.versions import Versions, promote
from tests.gateway.versions.bills import write_models, write_policy


def test_a_version_holds_what_training_wrote_and_nothing_else(home: Home, versions: Versions, tmp_path: Path) -> None:
    source = write_models(home, tmp_path / "out", ["kedai"])
    (source / "student" / "notes.txt").write_text("mine")
    (source / "student.pt").write_text("a checkpoint")
    version = versions.add(source, about={"command": "cascade train bills"})
    written = {path.relative_to(version.path).as_posix() for path in version.path.rglob("*") if path.is_file()}
    assert written == {
        "version.json",
        "policy.json",
        "split.json",
        "recipe.yaml",
        "student/config.json",
        "student/model.onnx",
        "student/tokenizer.json",
    }
    assert set(version.manifest.files) == written - {"version.json"}
    version.verify()
    assert versions.find(version.name) == version
    assert version.manifest.about["command"] == "cascade train bills"


def test_the_same_files_are_one_version(home: Home, versions: Versions, tmp_path: Path) -> None:
    source = write_models(home, tmp_path / "out", ["kedai"])
    first = versions.add(source)
    assert versions.add(source).name == first.name
    write_policy(home, source, 0.7)
    assert versions.add(source).name != first.name
    assert len(versions.all()) == 2


def test_versions_are_listed_oldest_first(home: Home, versions: Versions, tmp_path: Path) -> None:
    names = []
    for value in (0.5, 0.6, 0.7, 0.8):
        source = write_models(home, tmp_path / "out", ["kedai"])
        write_policy(home, source, value)
        names.append(versions.add(source).name)
    assert [version.name for version in versions.all()] == names


@pytest.mark.parametrize("name", ["20200101-000000-00000000", "../bills", "", "."])
def test_a_name_is_only_looked_up(name: str, home: Home, versions: Versions, tmp_path: Path) -> None:
    versions.add(write_models(home, tmp_path / "out", ["kedai"]))
    with pytest.raises(UnknownVersion, match="there are: 2"):
        versions.find(name)


def test_nothing_is_made_of_a_directory_without_models(versions: Versions, tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text("{}")
    with pytest.raises(ModelMissing, match="no model in"):
        versions.add(tmp_path)
    assert versions.all() == []


def test_a_changed_byte_is_noticed(home: Home, versions: Versions, tmp_path: Path) -> None:
    version = versions.add(write_models(home, tmp_path / "out", ["kedai"]))
    (version.path / "student" / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelCorrupt, match=r"model\.onnx: its digest"):
        version.verify()
    (version.path / "student" / "model.onnx").unlink()
    with pytest.raises(ModelCorrupt, match="is missing"):
        version.verify()


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        json.dumps({"format": 1, "task": "bills", "name": "x", "created": "", "files": {"../a": "0"}}),
        json.dumps({"format": 1, "task": "bills", "name": "x", "created": "", "files": {"/etc/passwd": "0"}}),
        json.dumps({"format": 1, "task": "bills", "name": "x", "created": "", "files": {"a": 1}}),
        json.dumps({"format": 2, "task": "bills", "name": "x", "created": "", "files": {}}),
    ],
)
def test_what_cannot_be_read_is_no_version(manifest: str, versions: Versions) -> None:
    (versions.directory / "x").mkdir(parents=True)
    (versions.directory / "x" / "version.json").write_text(manifest)
    assert versions.all() == []


def test_pruning_removes_the_oldest_that_are_not_needed(home: Home, versions: Versions, tmp_path: Path) -> None:
    names = []
    for value in (0.5, 0.6, 0.7, 0.8, 0.9):
        source = write_models(home, tmp_path / "out", ["kedai"])
        write_policy(home, source, value)
        names.append(versions.add(source).name)
    promote(home, "bills", names[0])
    promote(home, "bills", names[1])
    assert versions.prune(1) == [names[2], names[3]]
    assert [version.name for version in versions.all()] == [names[0], names[1], names[4]]
    assert versions.prune(0) == [names[4]]
    assert versions.prune(0) == []


def test_only_one_process_changes_versions(home: Home, versions: Versions, tmp_path: Path) -> None:
    source = write_models(home, tmp_path / "out", ["kedai"])
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with versions.locked():
        child = context.Process(target=_try_to_add, args=(home, source, queue))
        child.start()
        assert "another process is changing these versions" in queue.get(timeout=60)
        child.join(30)
    versions.add(source)


def _try_to_add(home: Home, source: Path, queue: multiprocessing.Queue[str]) -> None:
    try:
        Versions(home, "bills").add(source)
        queue.put("added")
    except ConfigurationError as error:
        queue.put(error.message)
