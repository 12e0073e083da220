"""The whole training of a small task, and what serving makes of it."""

import asyncio
import json
import re

import pytest

from gateway.document import Document
from gateway.engine import Engine, Request
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split
from gateway.inference.local import LocalInference
from gateway.policy import Policy, chain_name
from gateway.tiers.loading import load_model_tiers
from training.data.split import group_documents
from training.recipe import load_recipe
from training.teacher import load_probabilities

CHAIN = ("rules", "student", "large")


@pytest.fixture
def cache(bills, monkeypatch):
    monkeypatch.setenv("CASCADE_CACHE", str(bills.home.path.parent / "cache"))


def test_everything_that_serving_needs_is_written(bills):
    written = {path.relative_to(bills.models).as_posix() for path in bills.models.rglob("*") if path.is_file()}
    assert written == {
        "split.json",
        "forms.json",
        "out_of_fold.json",
        "policy.json",
        "recipe.yaml",
        "training.json",
        "CARD.md",
        "report.html",
        "version.json",
        "large/adapter.safetensors",
        "large/config.json",
        "large/tokenizer.json",
        "student/model.onnx",
        "student/config.json",
        "student/tokenizer.json",
    }


def test_every_stage_says_what_it_does(bills):
    for expected in ("documents: {'train': 104, 'development': 16, 'calibration': 40}", "total: exact 104"):
        assert expected in bills.result.output
    for stage in ("check", "align", "large", "teacher", "student", "export", "folds", "calibrate", "report"):
        assert f"[{stage}] …" in bills.result.output
    # After the first stage of the plan it is known how long the others will take.
    assert re.search(r"\[teacher\] … \d+ (s|min|h) left", bills.result.output)


def test_the_split_is_of_these_documents(bills):
    split = Split.load(bills.models / "split.json")
    documents = read_dataset(bills.data)
    assert sorted(identifier for part in split.parts.values() for identifier in part) == sorted(
        document.id for document in documents
    )
    assert split.groups == group_documents(documents, ("shop",))
    assert split.about["grouped_by"] == ["shop"]


def test_the_teacher_read_train_and_unlabelled_documents_and_nothing_held_out(bills):
    split = Split.load(bills.models / "split.json")
    asked = set(load_probabilities(bills.work / "teacher.npz"))
    unlabelled = {document.id for document in read_dataset(bills.unlabelled)} - {"copy"}
    assert asked == set(split.parts["train"]) | unlabelled


def test_the_recipe_used_is_kept(bills):
    assert load_recipe(bills.models / "recipe.yaml") == load_recipe(bills.home.path / "recipe.yaml")


def test_models_learned_the_task(bills):
    facts = json.loads((bills.models / "training.json").read_text("utf-8"))
    assert facts["student"]["export"]["f1_int8"] > 80
    for model in ("large", "student"):
        losses = [epoch["loss"] for epoch in facts[model]["history"]]
        assert losses[-1] < 0.5 * losses[0]
    assert facts["data"]["unlabelled"] == 40
    assert facts["alignment"]["total"] == {"exact": 104}
    before_report = ["check", "align", "windows", "large", "teacher", "student", "export", "folds", "calibrate"]
    assert list(facts["stage_seconds"]) == before_report
    assert facts["large"]["history"][-1]["f1"].keys() == {"micro", "shop", "total"}
    assert facts["check"]["documents"] == 200
    assert set(facts["validation"]) == {"validation-seen", "validation-unseen"}
    assert 3600 * facts["training_hours"] >= sum(facts["stage_seconds"].values()) - 0.1


def test_the_card_names_data_bases_and_what_is_certified(bills):
    card = (bills.models / "CARD.md").read_text("utf-8")
    for expected in (
        "# Models of the task `bills`",
        "shop (text), total (money)",
        "rank-8 adapter",
        "`tiny`",
        "Apache-2.0",
        "40 unlabelled documents",
        "Invented bills: nobody's",
        "| calibration | 40 |",
        "| rules+student+large |",
    ):
        assert expected in card


def test_the_policy_was_measured_with_the_models_that_are_served(bills, cache):
    policy = Policy.load(bills.models / "policy.json")
    task = bills.home.task("bills")
    assert policy.task == "bills"
    assert {tier: policy.versions[tier] for tier in ("student", "large")} == {
        name: status.version for name, (_, status) in load_model_tiers(bills.home, task).items()
    }
    assert 0.8 in policy.targets(CHAIN, "total")
    assert policy.about["calibration"]["documents"] == 40
    assert policy.versions["modes"] == {"student": "int8", "large": "int8"}
    assert all(found[0.8].documents == 40 for found in policy.thresholds[chain_name(CHAIN)].values())


def test_the_service_answers_with_them(bills, cache):
    async def ask():
        inference = LocalInference(bills.home)
        engine = await Engine.open(bills.home, inference)
        try:
            loaded = engine.tasks["bills"]
            assert loaded.problems == ()
            assert {name: trust.standing for name, trust in loaded.trust.items()} == dict.fromkeys(
                loaded.spec.fields, "measured"
            )
            assert loaded.policy is not None
            assert list(loaded.policy.versions["rule_digests"]["total"]) == [
                source for source in loaded.rules.sources if source.startswith("total/")
            ]
            assert all(not distrusted for distrusted in loaded.not_trusted.values())
            return await engine.extract(loaded, Request(Document("KEDAI MELUR 7\nTEA 2.50\nTOTAL RM 31.40")))
        finally:
            await engine.close()

    extraction = asyncio.run(ask()).extraction
    total, shop = extraction.fields["total"], extraction.fields["shop"]
    assert (total.state, total.candidates[0].normalised, total.guarantee) == ("accepted", "31.40", 0.8)
    assert shop.candidates[0].normalised == "kedaimelur7"
    assert shop.state == "accepted"


def test_the_same_command_does_nothing_twice(bills):
    before = {path: path.read_bytes() for path in bills.models.rglob("*") if path.is_file()}
    again = bills.train()
    assert again.exit_code == 0, again.output
    # The first check could not look for copies between the parts of a split that was not there yet.
    for stage in ("align", "windows", "large", "teacher", "student", "export", "folds", "calibrate", "report"):
        assert f"[{stage}] done before" in again.output
    assert "is served already" in again.output
    assert {path: path.read_bytes() for path in bills.models.rglob("*") if path.is_file()} == before
