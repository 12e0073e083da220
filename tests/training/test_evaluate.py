"""The quick F1 of a tagger while it is being trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.forms import Forms, KnownValues
from tests.gateway.tiers.tiny import TASK, VOCABULARY, write_foretold
from training.evaluate import f1_of, network_scorer, onnx_scorer

PAD = VOCABULARY["[PAD]"]
# The foretold tagger finds KEDAI MELUR and an amount behind RM.
RIGHT = LabelledDocument("1", "KEDAI MELUR\nRM 9.00", {"shop": "Kedai Melur", "total": "9.00"})
WRONG = LabelledDocument("2", "KEDAI MELUR\nRM 9.00", {"shop": "KEDAI MELATI", "total": "RM9.0"})
MISSED = LabelledDocument("3", "TEA 9", {"shop": "TEA"})
BLANK = LabelledDocument("4", "KEDAI\nRM 9.00", {"shop": None, "total": None})


@pytest.fixture
def score(tmp_path, encoder):
    model = write_foretold(tmp_path / "model.onnx")

    def call(*documents, task=TASK, forms=None):
        return onnx_scorer(documents, encoder, PAD, task, forms or Forms())(model)

    return call


def test_all_right_is_100(score):
    assert score(RIGHT) == 100.0


def test_a_wrong_value_counts_twice_and_a_missed_one_once(score):
    # Right: shop 1, totals 2 of documents 1 and 2. One wrong shop, one missed shop.
    assert score(RIGHT, WRONG, MISSED) == pytest.approx(100 * 2 * 3 / (2 * 3 + 1 + 2))


def test_a_form_makes_a_value_right(score):
    forms = Forms({"shop": KnownValues({"kedaimelur": "KEDAI MELATI"})})
    assert score(WRONG) == 50.0
    assert score(WRONG, forms=forms) == 100.0


def test_null_is_skipped_only_where_it_means_unannotated(score):
    lenient = TaskSpec("bills", {name: replace(field, null_means="unannotated") for name, field in TASK.fields.items()})
    assert score(RIGHT, BLANK, task=lenient) == 100.0
    assert score(RIGHT, BLANK, task=TASK) == pytest.approx(100 * 4 / (4 + 2))


def certain(encoder, text, *spans):
    """Probabilities that mark exactly the spans of each field."""
    encoding = encoder.encode(text)
    table = np.tile(np.array([1, 0, 0], dtype=np.float32), (len(encoding), len(spans), 1))
    for column, ranges in enumerate(spans):
        for start, end in ranges:
            inside = np.flatnonzero((encoding.offsets[:, 0] >= start) & (encoding.offsets[:, 1] <= end))
            table[inside, column] = (0, 0, 1)
            table[inside[0], column] = (0, 1, 0)
    return encoding, table


def test_fields_are_scored_apart_and_together_and_many_by_items(encoder):
    task = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "item": FieldSpec("item", "text", many=True)})
    document = LabelledDocument("1", "MELUR PEN INK TEA", {"shop": "MELATI", "item": ["PEN", "INK", "PAPER"]})
    encoding, table = certain(encoder, document.text, [(0, 5)], [(6, 9), (10, 13), (14, 17)])
    scores = f1_of([document], [encoding], [table], task, Forms())
    assert scores["shop"] == 0.0
    assert scores["item"] == pytest.approx(100 * 2 * 2 / (2 * 2 + 1 + 1))
    assert scores["micro"] == pytest.approx(100 * 2 * 2 / (2 * 2 + 2 + 2))


def test_only_the_best_candidate_of_a_single_field_counts(encoder):
    document = LabelledDocument("1", "MELUR PEN", {"shop": "MELUR"})
    encoding, table = certain(encoder, document.text, [(0, 5), (6, 9)], [])
    table[-1, 0] = (0.2, 0.8, 0)
    assert f1_of([document], [encoding], [table], TASK, Forms())["shop"] == 100.0


def test_nothing_expected_and_nothing_found_is_zero(encoder):
    document = LabelledDocument("1", "TEA", {})
    encoding, table = certain(encoder, document.text, [], [])
    assert f1_of([document], [encoding], [table], TASK, Forms()) == {"micro": 0.0, "shop": 0.0, "total": 0.0}


def test_the_loop_is_told_the_scores_of_every_field(encoder):
    class Nothing(torch.nn.Module):
        def forward(self, ids, mask):
            return torch.tensor([9.0, 0.0, 0.0]).expand(*ids.shape, 2, 3)

    found = network_scorer([RIGHT], encoder, PAD, TASK, Forms())(Nothing(), 1)
    assert found == {"micro": 0.0, "shop": 0.0, "total": 0.0}
