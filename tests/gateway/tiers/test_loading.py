"""A task's model tiers, and the reasons for those that are not there."""

import hashlib
import json
import shutil

import pytest
import yaml

from gateway.document import Document
from gateway.errors import ConfigurationError
from gateway.home import Home
from gateway.tiers.loading import load_model_tiers
from tests.gateway.tiers.tiny import TASK, write_student


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with one task and a student; the cache is empty and no base is known."""
    monkeypatch.setenv("CASCADE_CACHE", str(tmp_path / "cache"))
    pytest.importorskip("onnx", reason="needs the extra `large` to write a model")
    models = tmp_path / "home" / "models"
    write_student(models / "bills" / "student")
    base = {"licence": "Apache-2.0", "files": {"model.safetensors": {"bytes": 1, "sha256": "0" * 64}}}
    (models / "bases.yaml").write_text(yaml.safe_dump({"usage": {}, "bases": {"tiny": base}}), "utf-8")
    return Home(tmp_path / "home")


def write_large(home, **changes):
    directory = home.models / "bills" / "large"
    directory.mkdir()
    for name in ("adapter.safetensors", "tokenizer.json"):
        (directory / name).write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    config = {
        "base": "tiny",
        "base_sha256": "0" * 64,
        "rank": 1,
        "alpha": 1,
        "fields": list(TASK.fields),
        "window": 64,
        "stride": 16,
        "pad_id": 0,
        "digests": {"adapter.safetensors": digest, "tokenizer.json": digest},
        **changes,
    }
    (directory / "config.json").write_text(json.dumps(config), "utf-8")


def test_what_can_be_used_serves_and_the_rest_says_why(home):
    loaded = load_model_tiers(home, TASK)
    assert list(loaded) == ["student", "large"]
    tier, status = loaded["student"]
    assert status.available
    assert status.version == tier.version
    assert tier.propose([Document("RM 9.00")], ["total"])[0].proposals["total"].best.normalised == "9.00"
    tier, status = loaded["large"]
    assert tier is None
    assert not status.available
    assert "no model in" in status.problem


def test_reasons_do_not_tell_where_the_home_lies(home):
    shutil.rmtree(home.models / "bills" / "student")
    write_large(home)
    for _, status in load_model_tiers(home, TASK).values():
        assert status.problem
        assert str(home.path.parent) not in status.problem


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "tiny: model.safetensors is not at"),
        ({"base": "unheard-of"}, "does not name the base 'unheard-of'"),
        ({"base_sha256": "1" * 64}, "the adapter was made for another base than tiny"),
        (
            {"digests": {"adapter.safetensors": "1" * 64, "tokenizer.json": "1" * 64}},
            "its digest is not the one in config.json",
        ),
    ],
)
def test_a_large_tier_that_does_not_fit_leaves_the_student_serving(home, changes, problem):
    write_large(home, **changes)
    loaded = load_model_tiers(home, TASK)
    assert problem in loaded["large"][1].problem
    assert loaded["student"][1].available


def test_forms_that_cannot_be_read_stop_every_model_and_no_more(home):
    (home.models / "bills" / "forms.json").write_text("{", "utf-8")
    assert "malformed" in load_model_tiers(home, TASK)["student"][1].problem


def test_the_large_tier_can_be_switched_off(home):
    write_large(home)
    assert load_model_tiers(home, TASK, large_mode="off")["large"][1].problem == "the large tier is switched off"


def test_a_mode_that_does_not_exist_is_an_error(home):
    with pytest.raises(ConfigurationError, match="'int4' is none of int8, bf16, fp32, off"):
        load_model_tiers(home, TASK, large_mode="int4")


def test_only_the_task_s_tiers_are_loaded(home):
    from dataclasses import replace

    assert list(load_model_tiers(home, replace(TASK, tiers=("rules", "student")))) == ["student"]
    assert load_model_tiers(home, replace(TASK, tiers=("rules",))) == {}
