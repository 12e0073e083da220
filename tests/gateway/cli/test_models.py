from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli.main import main

WEIGHTS = {"big": b"big weights", "small": b"small weights"}


def write_model(directory: Path, name: str, data: bytes) -> None:
    """A model's directory as training leaves it: files, and their digests in config.json."""
    files = {name: data, "tokenizer.json": b"{}"}
    for file, content in files.items():
        (directory / file).write_bytes(content)
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    config = {"fields": ["total"], "window": 512, "stride": 128, "pad_id": 0, "digests": digests}
    (directory / "config.json").write_text(json.dumps(config))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one task and two bases that a local directory holds; only one is for serving."""
    path = tmp_path / "home"
    for directory in ("rules/receipts", "models/receipts/student", "models/receipts/large"):
        (path / directory).mkdir(parents=True)
    (path / "rules/receipts/task.yaml").write_text("fields:\n  total: {type: money}\n")
    write_model(path / "models/receipts/student", "model.onnx", b"onnx")
    write_model(path / "models/receipts/large", "adapter.safetensors", b"adapter")
    bases = {}
    for name, data in WEIGHTS.items():
        (tmp_path / "own" / name).mkdir(parents=True)
        (tmp_path / "own" / name / "model.safetensors").write_bytes(data)
        file = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        bases[name] = {"licence": "Apache-2.0", "files": {"model.safetensors": file}}
    catalogue = {"usage": {"serving": ["big"], "training": ["big", "small"]}, "bases": bases}
    (path / "models/bases.yaml").write_text(yaml.safe_dump(catalogue))
    monkeypatch.setenv("CASCADE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CASCADE_BASES", str(tmp_path / "own"))
    return path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "models", *arguments])


def test_list_shows_files_with_digests_and_whether_bases_are_fetched(home: Path) -> None:
    found = json.loads(run(home, "list", "--json").stdout)
    student = next(file for file in found["tasks"]["receipts"]["student"] if file["path"].endswith("onnx"))
    assert student == {"path": "receipts/student/model.onnx", "bytes": 4, "sha256": hashlib.sha256(b"onnx").hexdigest()}
    assert found["tasks"]["receipts"]["policy.json"] == []
    assert {name: base["state"] for name, base in found["bases"].items()} == {"big": "missing", "small": "missing"}
    assert found["bases"]["big"]["usage"] == ["serving", "training"]
    run(home, "fetch")
    found = json.loads(run(home, "list", "--json").stdout)
    assert {name: base["state"] for name, base in found["bases"].items()} == {"big": "fetched", "small": "missing"}


def test_list_for_people_says_the_same(home: Path) -> None:
    text = run(home, "list").stdout
    for shown in ("task receipts", "receipts/student/model.onnx", "policy.json  missing", "big", "Apache-2.0"):
        assert shown in text


def test_fetch_gets_what_serving_needs_and_all_gets_everything(home: Path, tmp_path: Path) -> None:
    assert list(json.loads(run(home, "fetch", "--json").stdout)["fetched"]) == ["big"]
    assert list(json.loads(run(home, "fetch", "receipts", "--json").stdout)["fetched"]) == ["big"]
    assert list(json.loads(run(home, "fetch", "--all", "--json").stdout)["fetched"]) == ["big", "small"]
    assert (tmp_path / "cache/bases/small/model.safetensors").read_bytes() == WEIGHTS["small"]


def test_a_task_without_a_large_tier_needs_no_base(home: Path) -> None:
    (home / "rules/receipts/task.yaml").write_text("tiers: [rules, student]\nfields:\n  total: {type: money}\n")
    assert json.loads(run(home, "fetch", "--json").stdout) == {"fetched": {}}
    assert "no base model is needed" in run(home, "fetch").stdout


def test_fetch_fails_with_1_and_says_why(home: Path, tmp_path: Path) -> None:
    (tmp_path / "own/big/model.safetensors").write_bytes(b"BIG weights")
    result = run(home, "fetch")
    assert result.exit_code == 1
    assert "error[model-corrupt]: big could not be fetched" in result.stderr


@pytest.mark.parametrize("command", ["list", "fetch", "verify"])
def test_an_unknown_task_is_wrong_use(command: str, home: Path) -> None:
    result = run(home, command, "../receipts")
    assert result.exit_code == 2
    assert "error[unknown-task]" in result.stderr


def test_verify_ends_with_0_only_when_everything_is_there_and_whole(home: Path, tmp_path: Path) -> None:
    missing = run(home, "verify", "--json")
    assert missing.exit_code == 1
    assert json.loads(missing.stdout)["results"]["big"].startswith("model-missing")
    run(home, "fetch")
    good = run(home, "verify", "--json")
    assert good.exit_code == 0
    assert json.loads(good.stdout) == {
        "ok": True,
        "results": {"receipts/student": "ok", "receipts/large": "ok", "big": "ok"},
    }
    assert run(home, "verify", "--all").exit_code == 1  # small is not fetched
    (tmp_path / "cache/bases/big/model.safetensors").write_bytes(b"BIG weights")
    corrupt = run(home, "verify")
    assert corrupt.exit_code == 1
    assert "big: model-corrupt" in corrupt.stdout


def test_verify_notices_a_missing_student(home: Path) -> None:
    run(home, "fetch")
    (home / "models/receipts/student/model.onnx").unlink()
    result = run(home, "verify")
    assert result.exit_code == 1
    assert "receipts/student: model-missing" in result.stdout


@pytest.mark.parametrize("file", ["student/model.onnx", "student/tokenizer.json", "large/adapter.safetensors"])
def test_verify_notices_a_changed_byte(file: str, home: Path) -> None:
    run(home, "fetch")
    (home / "models/receipts" / file).write_bytes(b"other")
    result = run(home, "verify")
    assert result.exit_code == 1
    assert f"receipts/{file.split('/')[0]}: model-corrupt" in result.stdout
