"""Folds and what is kept of out-of-fold predictions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.document import Candidate, Proposal, TierOutput
from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.forms import Forms
from training.calibrate.folds import load_folds, load_predictions, make_folds, predict_out_of_fold, save_predictions
from training.calibrate.outputs import Observed

TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "total": FieldSpec("total", "money")})


def document(number: int, text: str) -> LabelledDocument:
    return LabelledDocument(str(number), text, {"shop": text})


@given(st.lists(st.sampled_from("abcdefghij"), min_size=2, max_size=40), st.integers(2, 5), st.integers(0, 9))
def test_every_document_is_in_one_fold_and_equal_texts_are_together(texts, count, seed):
    documents = [document(number, text) for number, text in enumerate(texts)]
    if len(set(texts)) < count:
        with pytest.raises(ValueError, match="cannot be dealt"):
            make_folds(documents, count, seed)
        return
    folds = make_folds(documents, count, seed)
    assert sorted(item.id for fold in folds for item in fold) == sorted(item.id for item in documents)
    held = [{item.text for item in fold} for fold in folds]
    assert all(not one & other for index, one in enumerate(held) for other in held[index + 1 :])
    sizes = [len(texts) for texts in held]
    assert max(sizes) - min(sizes) <= 1
    assert folds == make_folds(documents, count, seed)


def test_one_fold_is_none():
    with pytest.raises(ValueError, match="1 folds"):
        make_folds([document(0, "a"), document(1, "b")], 1, 0)


def test_nobody_is_asked_about_what_they_learned_from():
    documents = [document(number, f"text {number}") for number in range(10)]
    folds = make_folds(documents, 3, 1)

    def run(number, rest, held_out):
        assert not {item.id for item in rest} & {item.id for item in held_out}
        assert len(rest) + len(held_out) == len(documents)
        assert list(held_out) == folds[number]
        return [Observed(item, {}) for item in held_out]

    found = predict_out_of_fold(folds, run)
    assert sorted(item.document.id for item in found) == sorted(item.id for item in documents)


def candidate(text: str, start: int, end: int, score: float, tier: str) -> Candidate:
    return Candidate(text[start:end], text[start:end], text[start:end].lower(), ((start, end),), score, tier)


@pytest.fixture
def kept(tmp_path):
    text = "ABC TRADING\nTOTAL 12.50\nCASH 20.00"
    item = document(7, text)
    output = TierOutput(
        {
            "shop": Proposal((candidate(text, 0, 11, 0.912345678, "student"),)),
            "total": Proposal((candidate(text, 18, 23, 0.8, "student"), candidate(text, 29, 34, 0.1, "student"))),
        }
    )
    rules = TierOutput({"shop": Proposal((candidate(text, 0, 3, 0.5, "shop/first"),))})
    path = tmp_path / "out_of_fold.json"
    save_predictions(path, TASK, [Observed(item, {"rules": rules, "student": output})], {"folds": [1]})
    return path, item


def test_candidates_are_made_again_from_spans_and_scores(kept):
    path, item = kept
    found = load_predictions(path, TASK, Forms(), [item])
    assert set(found) == {"7"}
    assert set(found["7"]) == {"student"}  # rules are run again
    proposals = found["7"]["student"].proposals
    assert [(one.value, round(one.score, 4)) for one in proposals["shop"].candidates] == [("ABC TRADING", 0.9123)]
    assert [(one.value, one.normalised, one.score) for one in proposals["total"].candidates] == [
        ("12.50", "12.50", 0.8),
        ("20.00", "20.00", 0.1),
    ]


def test_the_fold_of_each_document_is_kept(kept, tmp_path):
    path, item = kept
    assert load_folds(path) == {"7": 0}
    observed = [Observed(item, {}), Observed(document(8, "x"), {})]
    save_predictions(tmp_path / "numbered.json", TASK, observed, {}, {"7": 0, "8": 2})
    assert load_folds(tmp_path / "numbered.json") == {"7": 0, "8": 2}


def test_no_text_is_kept(kept):
    path, _ = kept
    content = path.read_text("utf-8")
    assert "ABC" not in content
    assert "12.50" not in content


def test_a_document_whose_text_changed_is_left_out(kept):
    path, item = kept
    assert load_predictions(path, TASK, Forms(), [document(7, item.text + "!"), document(8, item.text)]) == {}


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"format": 2, "task": "bills"}', '{"format": 1, "task": "others"}']
)
def test_a_damaged_file_is_an_error(kept, damage):
    path, item = kept
    path.write_text(damage, "utf-8")
    with pytest.raises(DatasetError, match="out-of-fold"):
        load_predictions(path, TASK, Forms(), [item])


def rewrite(path, tiers):
    raw = json.loads(path.read_text("utf-8"))
    raw["documents"]["7"]["tiers"] = tiers
    path.write_text(json.dumps(raw), "utf-8")


def test_spans_outside_the_text_are_an_error(kept):
    path, item = kept
    rewrite(path, {"student": {"shop": [[[500, 600], 0.9]]}})
    with pytest.raises(DatasetError, match="out-of-fold"):
        load_predictions(path, TASK, Forms(), [item])


def test_fields_that_the_task_no_longer_has_are_left_out(kept):
    path, item = kept
    rewrite(path, {"student": {"gone": [[[0, 3], 0.9]]}})
    assert load_predictions(path, TASK, Forms(), [item])["7"]["student"].proposals == {}
