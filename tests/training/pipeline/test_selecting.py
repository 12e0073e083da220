"""Choosing documents and size in the pipeline."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gateway.errors import CascadeError
from tests.training.bills import write_data, write_home
from training.data.select.recipe import SCORES
from training.examples import make_examples
from training.pipeline import Pipeline
from training.pipeline.scoring import Material, scores_of
from training.recipe import StudentRecipe, load_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
FIELDS = ["shop", "total"]


@pytest.fixture(scope="module")
def material(tiny_base, encoder):
    texts = [f"kedai melur {number}\ntotal rm {number}.50" for number in range(8)]
    # One document contradicts all others: its total is where theirs has the shop.
    spans = [{"shop": [(0, 11)], "total": [(text.index("rm") + 3, len(text))]} for text in texts]
    spans[3] = {"shop": [], "total": [(0, 11)]}
    encodings = [encoder.encode(text) for text in texts]
    examples = [
        example
        for encoding, found in zip(encodings, spans, strict=True)
        for example in make_examples(encoder, encoding, found, FIELDS)
    ]
    loop = replace(
        StudentRecipe().loop, epochs=6, learning_rate=5e-3, head_learning_rate=1e-2, token_budget=60, token_noise=0.0
    )
    recipe = StudentRecipe(base="tiny", layers=1, loop=loop)
    return Material(encodings, spans, FIELDS, examples, encoder, tiny_base, recipe, torch.device("cpu"))


@pytest.mark.parametrize("method", SCORES)
def test_every_score_is_a_number_a_document_and_the_same_each_time(material, method):
    first = scores_of(method, material, 0)
    if method == "random":
        assert first is None
        return
    assert first.shape == (8,)
    assert np.isfinite(first).all()
    assert np.array_equal(first, scores_of(method, material, 0))


def test_a_document_that_contradicts_the_others_is_hard(material):
    assert int(np.argmax(scores_of("el2n", material, 0))) == 3


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    home = write_home(tmp_path / "home", tmp_path / "cache")
    monkeypatch.setenv("CASCADE_CACHE", str(tmp_path / "cache"))
    data = write_data(tmp_path / "bills.jsonl", 60, 0)
    # Two more copies of one text: of near-duplicates one stays.
    lines = data.read_text("utf-8").splitlines()
    copies = [json.dumps({**json.loads(lines[0]), "id": f"copy/{number}"}) for number in range(2)]
    data.write_text("\n".join([*lines, *copies]) + "\n", "utf-8")

    def make(*settings):
        return Pipeline(
            home=home,
            task=home.task("bills"),
            recipe=load_recipe(home.path / "recipe.yaml", ["folds.count=0", *settings]),
            data=data,
            unlabelled=None,
            out=tmp_path / "out",
            work=tmp_path / "work",
            command="",
        )

    return make


def test_what_is_chosen_is_learned_from_and_all_is_kept_for_the_combiners(pipeline, capsys):
    whole = pipeline()
    whole.run(plan_only=True)
    half = pipeline("select=prototypes keep=50%")
    half.run(plan_only=True)
    train = half.parts["train"]
    assert 0.4 * len(whole.parts["train"]) <= len(train) <= 0.5 * len(whole.parts["train"]) + 1
    assert {document.id for document in train} < {document.id for document in half.labelled}
    assert len(half.aligned) == len(train)
    assert len({document.text for document in train}) == len(train)
    # Another training part is another training.
    assert half.inputs() != whole.inputs()
    capsys.readouterr()
    again = pipeline("select=prototypes keep=50%")
    again.run(plan_only=True)
    assert "[select] done before" in capsys.readouterr().out
    assert [document.id for document in again.parts["train"]] == [document.id for document in train]


def test_the_size_is_settled_before_the_plan(pipeline, capsys):
    run = pipeline("student.size=auto")
    run.run(plan_only=True)
    # The largest family that the tiny base is large enough for, at its own learning rate where none is named.
    assert run.student_recipe.size == "truncated-2"
    assert run.student_recipe.loop.learning_rate == run.recipe.student.loop.learning_rate
    assert "the student is truncated-2" in capsys.readouterr().out
    assert run.size_report["auto"].startswith("no measured runs")


def test_a_family_that_does_not_fit_ends_the_run_before_anything_is_trained(pipeline, capsys):
    with pytest.raises(CascadeError, match="conv-4x96"):
        pipeline("student.size=conv-4x96").run(plan_only=True)
    assert "[large]" not in capsys.readouterr().out


def test_a_plan_knows_what_is_done_and_what_depends_on_it(pipeline, capsys):
    run = pipeline()
    run.run(plan_only=True)
    assert set(run.outlook.expected) == {"large", "teacher", "student", "export", "calibrate", "report"}
    assert all(seconds > 0 for seconds in run.outlook.expected.values())
    # Twice the epochs take about twice as long: the same batches are timed.
    longer = pipeline("large.loop.epochs=600")
    longer.run(plan_only=True)
    assert longer.outlook.expected["large"] > 5 * run.outlook.expected["large"]
    assert "plan (estimated from 3 batches of each model on cpu" in capsys.readouterr().out
