"""A whole calibration on tiers with known faults: the policy is what the cascade then does."""

import pytest

from gateway.cascade import Run
from gateway.policy import Policy, all_chains, chain_name
from tests.training.calibrate.synthetic import TASK, NoisyTier, documents, observed
from training.calibrate.outputs import observe
from training.calibrate.run import calibrate, documents_digest, shares_right

TARGETS = (0.7, 0.8, 0.9, 0.97)
VERSIONS = {"rules": {"shop": "a", "item": "b"}, "student": "sha256:student", "large": "sha256:large"}


@pytest.fixture(scope="module")
def parts():
    tiers = {
        "rules": NoisyTier("rules", 0.6, 0),
        "student": NoisyTier("student", 0.5, 1e-5),
        "large": NoisyTier("large", 0.8, 1e-4),
    }
    return [
        observe(tiers, documents(size, seed, unannotated=0.1), TASK) for size, seed in ((80, 1), (250, 2), (1000, 3))
    ]


@pytest.fixture(scope="module")
def policy(parts):
    return calibrate(TASK, parts[0], parts[1], VERSIONS, TARGETS, about={"command": "cascade calibrate bills"})


def test_every_chain_field_and_target_is_answered(policy):
    assert set(policy.thresholds) == set(policy.combiners) == {chain_name(chain) for chain in all_chains()}
    for fields in policy.thresholds.values():
        assert set(fields) == set(TASK.fields)
        assert all(set(found) == set(TARGETS) for found in fields.values())
    assert policy.versions == VERSIONS
    assert set(policy.estimates) == {"rules", "student", "large"}
    assert policy.estimates["large"].cpu_seconds(100) == pytest.approx(1e-4 * 101)
    assert policy.about["calibration"]["documents"] == 250
    assert policy.about["command"] == "cascade calibrate bills"


def test_it_certifies_what_can_be_and_not_what_cannot(policy):
    assert 0.9 in policy.targets(("rules", "student", "large"), "shop")
    everything = [found[0.97].certified for fields in policy.thresholds.values() for found in fields.values()]
    assert not all(everything)


def test_a_policy_is_read_as_it_was_written(policy, tmp_path):
    policy.save(tmp_path / "policy.json")
    assert Policy.load(tmp_path / "policy.json") == policy


def drive(task, policy, item, chain, quality):
    """One document through the cascade."""
    run = Run(task, policy, fields=list(task.fields), quality=quality, tiers=chain)
    while (tier := run.next_tier()) is not None:
        run.absorb(tier, item.outputs[tier])
    return run.result()


@pytest.mark.parametrize(
    "chain", [("rules",), ("rules", "student"), ("student", "large"), ("rules", "student", "large")]
)
def test_the_cascade_accepts_exactly_what_was_counted(policy, parts, chain):
    checked = 0
    for name in TASK.fields:
        for target in policy.targets(chain, name):
            threshold = policy.thresholds[chain_name(chain)][name][target]
            accepted = errors = 0
            for item in parts[1]:
                if name not in item.document.labels:
                    continue
                result = drive(TASK, policy, item, chain, target).fields[name]
                if result.state == "accepted":
                    accepted += 1
                    assert result.guarantee == target
                    label = item.document.labels[name]
                    errors += [candidate.value for candidate in result.candidates] != (
                        [label] if isinstance(label, str) else label
                    )
            assert (accepted, errors) == (threshold.accepted, threshold.errors)
            checked += accepted
    assert checked > 0


def test_certified_targets_hold_on_fresh_documents(policy, parts):
    """Up to the noise of 1,000 documents; how often a certificate may be wrong is tested with the thresholds."""
    chain = ("rules", "student", "large")
    for name in TASK.fields:
        for target in policy.targets(chain, name):
            results = [(item, drive(TASK, policy, item, chain, target).fields[name]) for item in parts[2]]
            right = [
                result.candidates[0].value == item.document.text.split()[0]
                for item, result in results
                if result.state == "accepted"
            ]
            assert len(right) > 0.3 * len(results)
            noise = 2 * (target * (1 - target) / len(right)) ** 0.5
            assert sum(right) / len(right) >= target - noise, (name, target)


def test_tiers_that_were_not_there_have_no_chains(parts):
    without = [
        [
            type(item)(item.document, {tier: output for tier, output in item.outputs.items() if tier != "large"})
            for item in part
        ]
        for part in parts[:2]
    ]
    found = calibrate(TASK, *without, VERSIONS, TARGETS)
    assert set(found.thresholds) == {"rules", "student", "rules+student"}


def test_a_tier_that_never_finds_anything_is_no_obstacle(parts):
    silent = [
        [type(item)(item.document, {**item.outputs, "rules": type(item.outputs["rules"])()}) for item in part]
        for part in parts[:2]
    ]
    found = calibrate(TASK, *silent, VERSIONS, TARGETS)
    assert found.targets(("rules",), "shop") == []
    assert found.targets(("rules", "student", "large"), "shop")


def test_the_digest_names_documents_and_labels_but_not_their_order(parts):
    data = parts[0]
    assert documents_digest(data) == documents_digest(list(reversed(data)))
    assert documents_digest(data) != documents_digest(data[1:])
    first = data[0]
    changed = type(first.document)(first.document.id, first.document.text, {**first.document.labels, "shop": "other"})
    assert documents_digest(data) != documents_digest([type(first)(changed, first.outputs), *data[1:]])


def test_it_is_kept_how_often_each_tier_and_any_of_them_is_right():
    data = [
        observed("a", "1", student={"a": 0.9}, large={"b": 0.9, "a": 0.1}),
        observed("a", "2", student={"b": 0.9}, large={"a": 0.9}),
        observed("a", "3", student={"a": 0.9}, large={}),
        observed("a", "4", student={"b": 0.9}, large={"c": 0.9}),
        observed("a", "5", student={}, large={}),
    ]
    shares = shares_right(data, TASK)
    # Nobody annotated items.
    assert shares == {
        "student": {"all": 0.4, "shop": 0.4},
        "large": {"all": 0.2, "shop": 0.2},
        "any": {"all": 0.6, "shop": 0.6},
    }
    assert shares_right([], TASK) == {"any": {"all": 0.0}}
