"""``cascade calibrate``: the policy made anew, and documents it must not be made from."""

import json
import shutil

import pytest
import yaml

from gateway.home import Home
from gateway.policy import Policy
from gateway.tiers.loading import load_model_tiers
from tests.training.bills import cascade


@pytest.fixture
def home(bills, tmp_path):
    """A copy of the trained home, with outputs and built models already there."""
    shutil.copytree(bills.home.path, tmp_path / "home")
    shutil.copytree(bills.home.path.parent / "cache", tmp_path / "cache")
    return Home(tmp_path / "home")


@pytest.fixture
def calibrate(home, bills):
    def call(*more):
        return cascade(home.path, "calibrate", "bills", "--data", bills.data, *more)

    return call


def policy_of(home):
    return Policy.load(home.models / "bills" / "policy.json")


def test_it_comes_to_what_training_came_to(calibrate, home, bills):
    (home.models / "bills" / "policy.json").unlink()
    result = calibrate()
    assert result.exit_code == 0, result.output
    assert "rules+student+large      total        certified: 0.6, 0.8" in result.output
    ours, theirs = policy_of(home), Policy.load(bills.models / "policy.json")
    assert ours.thresholds == theirs.thresholds
    assert ours.combiners == theirs.combiners
    assert ours.versions == theirs.versions
    assert ours.about["part"] == "calibration"
    assert ours.about["seen_allowed"] is False


def test_it_writes_the_trade_off_and_says_what_is_certified_together_and_what_is_lacking(calibrate, home, tmp_path):
    result = calibrate("--target", "0.6", "--target", "0.99")
    assert result.exit_code == 0, result.output
    assert "at their own targets:" in result.output
    assert "0.99 needs" in result.output
    directory = home.path / ".cascade" / "figures" / "bills" / "calibration"
    assert {"curve.csv", "reliability.csv"} <= {path.name for path in directory.iterdir()}
    calibrate("--charts", tmp_path / "charts")
    assert (tmp_path / "charts" / "curve.csv").is_file()
    policy = policy_of(home)
    assert policy.versions["modes"] == {"student": "int8", "large": "int8"}
    assert policy.versions["fields"]["total"]["type"] == "money"
    assert set(policy.whole["rules+student+large"]) == {"0.6", "0.8", "default"}


def test_several_modes_of_the_large_tier_have_one_policy(calibrate, home, monkeypatch):
    monkeypatch.setenv("CASCADE_CACHE", str(home.path.parent / "cache"))
    assert calibrate("--large", "fp32").exit_code == 0
    policy = policy_of(home)
    assert policy.versions["modes"]["large"] == "fp32"
    # What training certified for int8 stays.
    assert [one.versions["modes"]["large"] for one in policy.variants] == ["int8"]
    for mode, wanted in (("int8", policy.variants[0]), ("fp32", policy)):
        tiers = load_model_tiers(home, home.task("bills"), large_mode=mode)
        models = {name: (status.version, status.mode) for name, (_, status) in tiers.items()}
        assert policy.for_models(models) == wanted
    assert calibrate("--large", "int8", "--large", "fp32").exit_code == 0
    both = policy_of(home)
    assert [one.versions["modes"]["large"] for one in (both, *both.variants)] == ["int8", "fp32"]


def test_targets_are_the_recipe_s_or_those_asked_for(calibrate, home):
    assert calibrate("--target", "0.7", "--target", "0.9").exit_code == 0
    assert {
        target for fields in policy_of(home).thresholds.values() for found in fields.values() for target in found
    } == {0.7, 0.9}
    kept = home.models / "bills" / "recipe.yaml"
    kept.write_text(yaml.safe_dump({"targets": [0.55]}), "utf-8")
    assert calibrate().exit_code == 0
    assert set(policy_of(home).thresholds["rules"]["total"]) == {0.55}


def test_changed_rules_are_measured_again(calibrate, home):
    before = policy_of(home).versions["rules"]
    path = home.rules / "bills" / "total.yaml"
    path.write_text(path.read_text("utf-8").replace("TOTAL RM", "TOTAL RM?"), "utf-8")
    assert calibrate().exit_code == 0
    after = policy_of(home).versions["rules"]
    assert after["total"] != before["total"]
    assert after["shop"] == before["shop"]


def test_without_the_large_tier_it_says_so_and_goes_on(calibrate, home):
    shutil.rmtree(home.models / "bills" / "large")
    result = calibrate()
    assert result.exit_code == 0
    assert "calibrating without large: no model in" in result.output
    assert set(policy_of(home).thresholds) == {"rules", "student", "rules+student"}


@pytest.mark.parametrize("part", ["train", "development"])
def test_documents_that_models_were_made_from_are_refused(calibrate, home, part):
    before = (home.models / "bills" / "policy.json").read_bytes()
    result = calibrate("--part", part)
    assert result.exit_code == 2
    assert "error[seen-documents]" in result.output
    assert (home.models / "bills" / "policy.json").read_bytes() == before
    assert calibrate("--part", part, "--allow-seen").exit_code == 0
    assert policy_of(home).about["seen_allowed"] is True


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--part", "none"], 'no part "none" in the split; there are: train, development'),
        (["--target", "1.5"], "1.5 is not in the range"),
        (["--target", "high"], "is not a valid float"),
    ],
)
def test_wrong_use_leaves_with_2(calibrate, arguments, problem):
    result = calibrate(*arguments)
    assert result.exit_code == 2
    assert problem in result.output


def test_a_text_that_changed_since_the_split_is_noticed(home, bills, tmp_path):
    lines = [json.loads(line) for line in bills.data.read_text("utf-8").splitlines()]
    for raw in lines:
        raw["text"] += " "
    data = tmp_path / "changed.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    result = cascade(home.path, "calibrate", "bills", "--data", data)
    assert result.exit_code == 2
    assert "have another text than when the split was made" in result.output


def test_a_task_that_was_never_split(home, bills):
    (home.models / "bills" / "split.json").unlink()
    result = cascade(home.path, "calibrate", "bills", "--data", bills.data)
    assert result.exit_code == 2
    assert "cascade train" in result.output


def test_the_card_tells_the_new_certified_targets(tmp_path):
    from gateway.policy import Policy, Threshold
    from gateway.task import FieldSpec, TaskSpec
    from training.card import update_certified

    task = TaskSpec("bills", {"shop": FieldSpec("shop", "text")})
    thresholds = {"rules": {"shop": {0.9: Threshold(0.5, True, 80, 1, 90, 0.06)}}}
    policy = Policy("bills", thresholds=thresholds, about={"calibration": {"documents": 90}})
    card = tmp_path / "CARD.md"
    assert not update_certified(card, task, policy)
    card.write_text("# Card\n\nBefore.\n\n## Certified targets\n\nreplaced\n\n## Limits\n\n- After.\n", "utf-8")
    assert update_certified(card, task, policy)
    written = card.read_text("utf-8")
    assert written.startswith("# Card\n\nBefore.\n\n## Certified targets\n")
    assert written.endswith("\n\n## Limits\n\n- After.\n")
    assert "| rules | 0.9 |" in written
    assert "90 calibration" in written
    assert "replaced" not in written
    assert update_certified(card, task, policy)
    assert card.read_text("utf-8") == written
