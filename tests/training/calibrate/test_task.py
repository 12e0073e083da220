"""What a task's calibration is made from: folds that can be used, and policies of other modes that can be kept."""

from dataclasses import replace

from gateway.document import TierOutput
from gateway.evaluation.dataset import LabelledDocument
from gateway.policy import Policy
from tests.training.calibrate.synthetic import TASK, NoisyTier, documents, observed
from training.calibrate.outputs import Observed
from training.calibrate.task import OutOfFold, Parts, calibrate_task, keep_variants, sound_folds


def shop(number, right):
    item = observed("a", str(number), student={"a" if right else "b": 0.9})
    labels = {"shop": "a", "item": ["a"]}
    output = {"shop": item.outputs["student"].proposals["shop"], "item": item.outputs["student"].proposals["shop"]}
    return Observed(LabelledDocument(str(number), str(number), labels), {"student": TierOutput(output)})


SERVED = [shop(number, number % 20 > 0) for number in range(100)]


def test_a_fold_whose_training_went_wrong_is_left_out():
    fold_of = {str(number): number // 50 for number in range(100)}
    # Fold 0 is a little worse than the models served, as fewer documents make it; fold 1 found nothing to learn.
    known = [shop(number, number % 10 > 0 if number < 50 else number % 10 == 0) for number in range(100)]
    usable, left_out = sound_folds(OutOfFold(tuple(known), fold_of), SERVED, TASK)
    assert usable == {str(number) for number in range(50)}
    assert set(left_out) == {"fold 1"}
    assert "student is right in 10.0% of answers, the one served in 95.0%" in left_out["fold 1"]


def test_a_small_fold_is_not_judged_by_chance():
    known = OutOfFold((shop(1, False), shop(2, True)), {"1": 0, "2": 0})
    assert sound_folds(known, SERVED, TASK) == ({"1", "2"}, {})
    assert sound_folds(OutOfFold(), SERVED, TASK) == (frozenset(), {})


def test_combiners_learn_from_training_documents_through_other_folds_models(tmp_path):
    """Documents that rules were written on take part, and what a broken fold says does not."""
    tiers = {"rules": NoisyTier("rules", 0.6, 0), "student": NoisyTier("student", 0.5, 1e-5)}
    train, development, calibration = documents(60, 1), documents(40, 2), documents(60, 3)
    fold_of = {item.id: number % 2 for number, item in enumerate(train)}
    out = [
        Observed(item, {"student": tiers["student"].propose([item], tuple(TASK.fields))[0]})
        if fold_of[item.id] == 0
        else Observed(item, {"student": TierOutput()})
        for item in train
    ]
    parts = Parts(development, calibration, OutOfFold(tuple(out), fold_of), seen=frozenset(item.id for item in train))
    policy = calibrate_task(TASK, tiers, parts, (0.7,), tmp_path, {}).policy
    assert policy.about["out_of_fold"]["documents"] == 30
    assert set(policy.about["out_of_fold"]["left_out"]) == {"fold 1"}
    assert policy.about["development"] == {**policy.about["development"], "documents": 70, "seen_by_rules": 30}
    assert policy.versions["fields"]["item"]["many"] == "true"
    assert set(policy.whole["rules+student"]) == {"0.7", "default"}


def policy(mode, rules="a", sha256="x"):
    return Policy(
        "bills",
        versions={"rules": {"shop": rules}, "student": f"student-{mode}", "modes": {"student": mode}},
        about={"calibration": {"documents": 5, "sha256": sha256}},
    )


def test_other_modes_are_kept_beside_a_new_policy_until_something_they_stand_on_changes():
    both = keep_variants(policy("int8"), policy("fp32"))
    assert [one.versions["modes"]["student"] for one in both.variants] == ["fp32"]
    again = keep_variants(policy("fp32"), both)
    assert [one.versions["student"] for one in (again, *again.variants)] == ["student-fp32", "student-int8"]
    assert keep_variants(policy("int8"), policy("int8")).variants == ()
    assert keep_variants(policy("int8", rules="b"), both).variants == ()
    assert keep_variants(policy("int8", sha256="y"), both).variants == ()
    assert keep_variants(policy("int8"), None) == policy("int8")


def test_a_policy_with_variants_is_read_as_it_was_written(tmp_path):
    both = keep_variants(policy("int8"), policy("fp32"))
    both.save(tmp_path / "policy.json")
    assert Policy.load(tmp_path / "policy.json") == both
    assert both.for_models({"student": ("student-fp32", "fp32")}) == replace(policy("fp32"))
    assert both.for_models({"student": ("student-int8", None)}) is both
    assert both.for_models({"student": ("unknown", "int8")}) is both
