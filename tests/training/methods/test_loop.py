"""Every method in the training loop: it takes part, is kept in checkpoints, and leaves a model that can be used."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from gateway.errors import ConfigurationError
from gateway.tiers.large.network import FieldTagger
from training.examples import IGNORE, Example
from training.loop import LoopSettings, Vocabulary, train
from training.methods.batch_ramp.plan import BatchPlan
from training.methods.batch_ramp.schedule import parse_schedule
from training.methods.registry import METHODS, make_hooks

WORDS, FIELDS, EPOCHS = 40, 2, 3
VOCABULARY = Vocabulary(pad=0, mask=1, special=(0, 2, 3))
SETTINGS = LoopSettings(epochs=EPOCHS, learning_rate=3e-3, head_learning_rate=1e-2, token_budget=60, token_noise=0.0)

LINES = {
    "stages": ["batch_ramp 1, 2 at 30%, 3 at 60%; rate=sqrt warmup=20%"],
    "growth": ["batch_ramp grow=adamw most=4"],
    "noise": ["batch_ramp 2", "noise_scale"],
    "sparse": ["swat keep=50% period=3"],
    "momentum": ["swat keep=50% distribute=momentum period=2 packed"],
    "structured": ["swat keep=50% structured period=4 until=70%"],
    "together": ["noise_scale", "batch_ramp 2, 3 at 50%", "swat keep=50% structured part=channels period=3"],
}


class Interrupting(FieldTagger):
    """Stops the training in this forward pass."""

    fail_at = None
    calls = 0

    def forward(self, input_ids, attention_mask):
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        return super().forward(input_ids, attention_mask)


def tagger(seed=0, fail_at=None):
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    model = Interrupting(BertModel(config, add_pooling_layer=False), FIELDS)
    model.fail_at = fail_at
    return model


def examples(count=40):
    """Token t has tag t % 3 in the first field and (t + 1) % 3 in the second."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        ids = np.concatenate(([2], rng.integers(4, WORDS, rng.integers(3, 12)), [3]))
        targets = np.stack([ids % 3, (ids + 1) % 3], axis=1)
        targets[[0, -1]] = IGNORE
        made.append(Example(ids, targets))
    return made


def weights(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, lines):
    straight = tagger()
    history = train(straight, examples(), SETTINGS, VOCABULARY, methods=lines)
    interrupted = tagger(fail_at=straight.calls - 3)
    checkpoint = tmp_path / "model.pt"
    with pytest.raises(KeyboardInterrupt):
        train(interrupted, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint, methods=lines)
    resumed = tagger(seed=9)
    again = train(resumed, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint, methods=lines)
    assert resumed.calls < straight.calls
    assert [record["loss"] for record in again] == [record["loss"] for record in history]
    expected = weights(straight)
    assert {name: value.shape for name, value in weights(resumed).items()} == {
        name: value.shape for name, value in expected.items()
    }
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed).items())
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_ramp_makes_the_updates_of_its_plan(tmp_path):
    model = tagger()
    train(model, examples(), SETTINGS, VOCABULARY, checkpoint=tmp_path / "ramp.pt", methods=LINES["stages"])
    batches = model.calls // EPOCHS
    schedule = parse_schedule("1, 2 at 30%, 3 at 60%")
    plan = BatchPlan((batches,) * EPOCHS, lambda share: schedule.size(share, EPOCHS))
    assert torch.load(tmp_path / "ramp.pt")["step"] == len(list(plan))


def test_a_ramp_of_one_size_is_accumulation():
    one, other = tagger(), tagger()
    train(one, examples(), SETTINGS, VOCABULARY, methods=["batch_ramp 3"])
    accumulating = LoopSettings(**{**vars(SETTINGS), "accumulation": 3})
    train(other, examples(), accumulating, VOCABULARY, methods=["batch_ramp 1"])
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_structured_training_leaves_a_smaller_model():
    model = tagger()
    train(model, examples(), SETTINGS, VOCABULARY, methods=LINES["structured"])
    layer = model.encoder.encoder.layer[0]
    assert layer.attention.self.query.weight.shape == (8, 16)
    assert layer.intermediate.dense.weight.shape == (16, 16)
    ids = torch.tensor([[2, 7, 8, 3]])
    assert model.eval()(ids, torch.ones_like(ids)).shape == (1, 4, FIELDS, 3)


def test_a_sparse_training_leaves_ordinary_layers_with_half_of_the_weights():
    model = tagger()
    train(model, examples(), SETTINGS, VOCABULARY, methods=LINES["sparse"])
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            assert type(module) is nn.Linear
            share = float((module.weight != 0).double().mean())
            assert share == 1 if name == "head" else 0.45 < share < 0.55


def test_the_noise_scale_stands_in_the_record_and_changes_nothing():
    measuring, beside = tagger(), tagger()
    history = train(measuring, examples(), SETTINGS, VOCABULARY, methods=["noise_scale", "batch_ramp 2"])
    train(beside, examples(), SETTINGS, VOCABULARY, methods=["batch_ramp 2"])
    assert all(torch.equal(a, b) for a, b in zip(measuring.parameters(), beside.parameters(), strict=True))
    found = [record for record in history if "noise_scale" in record]
    assert found
    assert all(record["noise_scale"] > 0 and record["suggested_batches"] >= 1 for record in found)


def test_a_checkpoint_of_other_methods_is_not_continued(tmp_path):
    checkpoint = tmp_path / "model.pt"
    train(tagger(), examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    model, beside = tagger(), tagger()
    train(model, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint, methods=LINES["growth"])
    train(beside, examples(), SETTINGS, VOCABULARY, methods=LINES["growth"])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), beside.parameters(), strict=True))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["dropout"], f"there is no method dropout; there are: {', '.join(sorted(METHODS))}"),
        ([""], "there is no method"),
        (["swat", "swat keep=0.2"], "stands twice"),
        (["swat keep=2"], "keep must be a number from"),
        (["swat structured distribute=erk"], "unknown option distribute"),
        (["swat distribute=luck"], "distribute must be one of uniform, erk, momentum"),
        (["swat period=0"], "period"),
        (["batch_ramp"], "needs a schedule"),
        (["batch_ramp 1, 2"], 'expected "at"'),
        (["batch_ramp 1; rate=cube"], "rate must be one of none, linear, sqrt"),
        (["batch_ramp grow=lion"], "grow must be one of sgd, adamw"),
        (["noise_scale decay=2"], "decay"),
        (["ghost_norm ghost=1"], "ghost"),
    ],
)
def test_a_wrong_line_is_refused_before_anything_is_trained(lines, problem):
    with pytest.raises(ConfigurationError, match=problem):
        make_hooks(lines)


def test_ghosts_in_an_encoder_are_refused():
    with pytest.raises(ConfigurationError, match="gain nothing"):
        train(tagger(), examples(), SETTINGS, VOCABULARY, methods=["ghost_norm ghost=4"])
