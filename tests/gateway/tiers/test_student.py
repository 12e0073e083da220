"""The student from its directory, and what is wrong with a directory."""

import json
import os

import pytest

from gateway.document import Document
from gateway.errors import ModelCorrupt, ModelMissing
from gateway.evaluation.dataset import file_digest
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.forms import Forms, KnownValues
from gateway.tiers.student import load_student
from tests.gateway.tiers.tiny import TASK, write_foretold, write_student

TEXT = "KEDAI MELUR\nTEA\nTOTAL RM 9.00"


def best(output, name):
    candidate = output.proposals[name].best
    return candidate and (candidate.text, candidate.normalised, candidate.spans)


def test_it_answers(student):
    tier = load_student(student, TASK, Forms())
    (output,) = tier.propose([Document(TEXT)], ["shop", "total"])
    assert best(output, "shop") == ("KEDAI MELUR", "kedaimelur", ((0, 11),))
    assert best(output, "total") == ("RM 9.00", "9.00", ((22, 29),))
    assert output.work.tokens > 0
    assert output.work.cpu_seconds > 0
    assert (tier.name, tier.mode) == ("student", "int8")


def test_a_value_far_into_a_long_text_is_found(student):
    text = "TEA A\n" * 200 + TEXT
    (output,) = load_student(student, TASK, Forms()).propose([Document(text)], ["total"])
    assert best(output, "total") == ("RM 9.00", "9.00", ((1222, 1229),))


def test_a_document_s_answer_does_not_depend_on_its_company(student):
    tier = load_student(student, TASK, Forms())
    documents = [Document(TEXT), Document(""), Document("TEA\n" * 300 + TEXT), Document("RM 1.00")]
    together = tier.propose(documents, ["shop", "total"])
    for document, output in zip(documents, together, strict=True):
        assert output.proposals == tier.propose([document], ["shop", "total"])[0].proposals


def test_the_version_names_weights_and_forms(student, tmp_path):
    version = load_student(student, TASK, Forms()).version
    assert version.startswith("sha256:")
    assert load_student(student, TASK, Forms()).version == version
    assert load_student(student, TASK, Forms({"shop": KnownValues({"a": "A"})})).version != version
    other = write_student(tmp_path / "other")
    write_foretold(other / "model.onnx", fields=3)
    refresh(other)
    assert load_student(other, TASK, Forms()).version != version


def refresh(directory):
    """Write the digests anew."""
    config = json.loads((directory / "config.json").read_text("utf-8"))
    config["digests"] = {name: file_digest(directory / name) for name in config["digests"]}
    (directory / "config.json").write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_byte_is_noticed(student, name):
    path = student / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt, match=f"{name}: its digest is not the one in config.json"):
        load_student(student, TASK, Forms())


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(student, name):
    (student / name).unlink()
    with pytest.raises(ModelMissing, match=f"{name} is missing"):
        load_student(student, TASK, Forms())


def test_no_model_is_missing_not_corrupt(tmp_path):
    with pytest.raises(ModelMissing, match="no model in"):
        load_student(tmp_path, TASK, Forms())


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"fields": 1, "window": 1, "stride": 1, "pad_id": 0, "digests": {}}']
)
def test_a_malformed_config_is_corrupt(student, content):
    (student / "config.json").write_text(content, "utf-8")
    with pytest.raises(ModelCorrupt, match=r"config\.json: malformed"):
        load_student(student, TASK, Forms())


@pytest.mark.parametrize(
    "changes",
    [{"stride": 62}, {"stride": -1}, {"window": 2, "stride": 0}, {"digests": {}}, {"digests": {"tokenizer.json": ""}}],
)
def test_a_config_that_would_hang_or_go_unchecked_is_corrupt(student, changes):
    config = json.loads((student / "config.json").read_text("utf-8"))
    (student / "config.json").write_text(json.dumps({**config, **changes}), "utf-8")
    with pytest.raises(ModelCorrupt, match=r"config\.json"):
        load_student(student, TASK, Forms())


def test_a_model_of_another_task_is_refused(student):
    other = TaskSpec("other", {"shop": FieldSpec("shop", "text")})
    with pytest.raises(ModelCorrupt, match='trained for field "total", which task "other" does not have'):
        load_student(student, other, Forms())


def test_a_task_may_have_a_field_the_model_does_not_know(student):
    wider = TaskSpec("bills", {"date": FieldSpec("date", "date"), **TASK.fields})
    (output,) = load_student(student, wider, Forms()).propose([Document(TEXT)], list(wider.fields))
    assert best(output, "total")[1] == "9.00"
    assert "date" not in output.proposals


def test_a_file_that_is_no_onnx_model_is_corrupt(student):
    (student / "model.onnx").write_bytes(b"not a model")
    refresh(student)
    with pytest.raises(ModelCorrupt, match="onnxruntime cannot load it"):
        load_student(student, TASK, Forms())


def test_onnxruntime_sends_no_usage_reports():
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
