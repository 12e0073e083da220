"""Exporting a student: parity, the gate, and what serving makes of it."""

import json

import numpy as np
import pytest
import torch

import training.export
from gateway.document import Document
from gateway.errors import ExportRejected, ModelCorrupt
from gateway.tiers.forms import Forms
from gateway.tiers.large.network import FieldTagger, load_encoder
from gateway.tiers.student import load_student
from tests.gateway.tiers.tiny import TASK, VOCABULARY
from training.export import GATE_POINTS, check_parity, export_student

TEXTS = ["kedai melur\ntea 3.00\ntotal rm 9.00", "9", "melur " * 100]
CONFIG = {"kind": "student", "fields": list(TASK.fields), "window": 64, "stride": 16, "pad_id": VOCABULARY["[PAD]"]}


@pytest.fixture(scope="module")
def network(tiny_base):
    torch.manual_seed(2)
    return FieldTagger(load_encoder(tiny_base), len(TASK.fields))


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """The float model, exported once."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    training.export.export_float(network, path)
    torch.set_num_threads(before)
    return path


@pytest.fixture
def export(network, exported, tokenizer, encoder, tmp_path, monkeypatch):
    """Exports to ``tmp_path / "student"``; the slow conversion, which one model needs only once, is reused."""
    monkeypatch.setattr(training.export, "export_float", lambda _, path: path.write_bytes(exported.read_bytes()))

    def call(score=lambda path: 90.0, texts=TEXTS, tagger=network):
        encodings = [encoder.encode(text) for text in texts]
        return export_student(tagger, tokenizer, encoder, encodings, score, CONFIG, tmp_path / "student")

    return call


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()} if directory.is_dir() else None


def test_what_is_exported_is_served(export, tmp_path, encoder, network):
    report = export()
    assert 0 < report.parity < 1e-3
    assert report.bytes_int8 < 0.8 * report.bytes_float
    directory = tmp_path / "student"
    assert set(content(directory)) == {"model.onnx", "tokenizer.json", "config.json"}
    assert (directory / "model.onnx").stat().st_size == report.bytes_int8
    config = json.loads((directory / "config.json").read_text("utf-8"))
    assert {key: config[key] for key in CONFIG} == CONFIG
    assert config["mode"] == "int8"

    tier = load_student(directory, TASK, Forms(), threads=1)
    (output,) = tier.propose([Document(TEXTS[0])], list(TASK.fields))
    assert set(output.proposals) == set(TASK.fields)
    encoding = tier.encoder.encode(TEXTS[0])
    (window,) = tier.encoder.windows(encoding)
    with torch.inference_mode():
        ids = torch.from_numpy(window.ids)[None]
        expected = network.eval()(ids, torch.ones_like(ids)).softmax(-1)[0, 1:-1].numpy()
    assert np.allclose(tier.probabilities([encoding])[0], expected, atol=0.05)


def test_int8_answers_hardly_depend_on_the_company_in_a_batch(export, tmp_path):
    export()
    tier = load_student(tmp_path / "student", TASK, Forms(), threads=1)
    encodings = [tier.encoder.encode(text) for text in [*TEXTS, "", "tea 3.00 " * 40]]
    for encoding, together in zip(encodings, tier.probabilities(encodings), strict=True):
        # Dynamic int8 takes one scale for all activations of a batch.
        assert np.allclose(together, tier.probabilities([encoding])[0], atol=0.03)


def test_a_served_file_that_changed_is_refused(export, tmp_path):
    export()
    model = tmp_path / "student" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ModelCorrupt):
        load_student(tmp_path / "student", TASK, Forms())


def scorer(full, small):
    return lambda path: small if path.name == "int8.onnx" else full


@pytest.mark.parametrize("before", [None, b"published"])
@pytest.mark.parametrize(
    ("score", "problem"),
    [
        (scorer(90.0, 90.0 - GATE_POINTS - 0.01), r"int8 loses 0\.51 F1 points, more than 0\.5 \(90\.00 → 89\.49\)"),
        (scorer(90.0, float("nan")), "int8 loses nan"),
    ],
)
def test_a_loss_of_f1_publishes_nothing(export, tmp_path, before, score, problem):
    directory = tmp_path / "student"
    if before:
        directory.mkdir()
        (directory / "model.onnx").write_bytes(before)
    untouched = content(directory)
    with pytest.raises(ExportRejected, match=problem):
        export(score)
    assert content(directory) == untouched


@pytest.mark.parametrize("small", [90.0 - GATE_POINTS + 0.01, 90.0, 95.0])
def test_a_small_loss_or_a_gain_passes(export, small):
    report = export(scorer(90.0, small))
    assert (report.f1_float, report.f1_int8) == (90.0, small)


def test_a_model_that_is_too_large_publishes_nothing(export, tmp_path, monkeypatch):
    monkeypatch.setattr(training.export, "SIZE_LIMIT_BYTES", 1000)
    with pytest.raises(ExportRejected, match="more than 1000"):
        export()
    assert content(tmp_path / "student") is None


@pytest.mark.parametrize("change", [0.01, float("nan")])
def test_a_model_that_onnx_computes_otherwise_publishes_nothing(export, tmp_path, tiny_base, network, change):
    other = FieldTagger(load_encoder(tiny_base), len(TASK.fields))
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        other.head.bias[0] += change
    with pytest.raises(ExportRejected, match="ONNX and torch differ by"):
        export(tagger=other)
    assert content(tmp_path / "student") is None


def test_parity_without_a_document_is_no_parity(network, exported, encoder):
    with pytest.raises(ExportRejected):
        check_parity(network, exported, encoder, [])
