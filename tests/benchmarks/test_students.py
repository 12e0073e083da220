"""The benchmark of student sizes, on a base of a few kilobytes."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.students.__main__ import assemble
from benchmarks.students.page import render
from benchmarks.students.runs import CRF, Runs
from tests.gateway.tiers.tiny import TASK, write_base
from tests.training.baselines.test_crf import bills
from training.data.align import align
from training.experiments.material import Material
from training.families import Family
from training.recipe import StudentRecipe

FAMILY = Family("conv", "conv", 3, 16, 0, "seen", "random convolutions", 1e-2)


@pytest.fixture
def runs(tmp_path):
    train, development = bills(60, 0), bills(20, 1)
    material = Material(
        TASK,
        train,
        align(train, TASK)[0],
        development,
        align(development, TASK)[0],
        write_base(tmp_path / "tiny"),
        tmp_path / "work",
        "digest",
    )
    recipe = StudentRecipe(base="tiny")
    loop = replace(recipe.loop, epochs=10, token_budget=300, soft_weight=0.0, learning_rate=1e-2)
    return Runs(material, tmp_path / "work", replace(recipe, loop=loop), None)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_what_was_measured_is_kept_and_told(runs, monkeypatch):
    # The family is no published one, so that it has no name to be found by.
    monkeypatch.setattr("benchmarks.students.runs.of_family", lambda recipe, _: recipe)
    first = assemble(runs, [FAMILY], [0], timed=5, rounds=3)
    student, crf = first["systems"]["conv"], first["systems"][CRF]
    assert crf["scores"]["normalised"]["f1"] > 90
    assert student["scores"]["normalised"]["f1"] > 30
    low, high = student["scores"]["normalised"]["interval"]
    assert low <= student["scores"]["normalised"]["f1"] <= high
    gap = student["scores"]["normalised"]["f1"] - crf["scores"]["normalised"]["f1"]
    assert student["scores"]["normalised"]["above_crf"] == pytest.approx(gap, abs=0.011)
    assert crf["scores"]["normalised"]["above_crf"] == 0
    assert "span" not in student["scores"]  # these documents do not say where values stand
    assert student["milliseconds_a_document"] > 0
    assert student["bytes"] < 100_000
    json.dumps(first)

    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("benchmarks.students.runs.train_student", refuse)
    monkeypatch.setattr("benchmarks.students.runs.train_crf", refuse)
    again = assemble(runs, [FAMILY], [0], timed=5, rounds=3)
    assert again["systems"]["conv"]["scores"] == student["scores"]
    assert again["systems"][CRF]["scores"] == crf["scores"]

    page = render(first)
    assert page.count("\n| ") == 3
    assert "| `conv` | 0.0 M |" in page
    assert first["command"] in page
    with pytest.raises(AssertionError, match="trained again"):
        assemble(runs, [FAMILY], [1], timed=5, rounds=3)
