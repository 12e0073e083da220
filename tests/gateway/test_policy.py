import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.combine import Combiner
from gateway.document import TIERS
from gateway.errors import PolicyError
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name

probabilities = st.floats(0, 1)
thresholds = st.builds(
    Threshold,
    value=probabilities,
    certified=st.booleans(),
    accepted=st.integers(0, 1000),
    errors=st.integers(0, 1000),
    documents=st.integers(0, 1000),
    bound=probabilities,
    labels_needed=st.none() | st.integers(0, 1000),
)
names = st.sampled_from(["total", "date"])
chains = st.sampled_from([chain_name(chain) for chain in all_chains()])
targets = st.sampled_from([0.8, 0.9, 0.95, 0.97, 0.99, 0.995])
by_target = st.dictionaries(targets, thresholds)
policies = st.builds(
    Policy,
    task=st.just("receipts"),
    combiners=st.dictionaries(
        chains,
        st.dictionaries(
            names, st.builds(Combiner, st.floats(-50, 50), st.dictionaries(st.text(max_size=8), st.floats(-50, 50)))
        ),
    ),
    thresholds=st.dictionaries(chains, st.dictionaries(names, by_target)),
    versions=st.just({"rules": {"total": "a"}, "student": "b"}),
    estimates=st.dictionaries(
        st.sampled_from(TIERS),
        st.builds(TierEstimate, probabilities, probabilities, st.none() | st.integers(1, 10**6)),
    ),
    delta=st.floats(0.001, 0.5),
    about=st.just({"documents": 10}),
)

in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@in_one_directory
@given(policies)
def test_a_policy_is_read_as_it_was_written(tmp_path, policy):
    policy.save(tmp_path / "policy.json")
    assert Policy.load(tmp_path / "policy.json") == policy


@given(by_target, st.floats(0.5, 0.999))
def test_quality_is_served_by_the_least_strict_certified_target_that_is_enough(found, quality):
    policy = Policy("receipts", thresholds={"rules+student": {"total": found}})
    enough = sorted(target for target in found if target >= quality)
    certified = [target for target in enough if found[target].certified]
    chosen = policy.threshold(("rules", "student"), "total", quality)
    if certified:
        assert chosen == (certified[0], found[certified[0]])
    elif enough:
        assert chosen == (enough[0], found[enough[0]])
        assert not chosen[1].certified
    else:
        assert chosen is None


@given(by_target)
def test_targets_are_the_certified_ones_ascending(found):
    policy = Policy("receipts", thresholds={"rules": {"total": found}})
    listed = policy.targets(("rules",), "total")
    assert listed == sorted(listed)
    assert set(listed) == {target for target, threshold in found.items() if threshold.certified}
    assert policy.targets(("student",), "total") == []
    assert policy.targets(("rules",), "date") == []


def test_a_target_meant_by_a_rounded_quality_is_found():
    threshold = Threshold(0.5, True, 10, 0, 10, 0.1)
    policy = Policy("receipts", thresholds={"rules": {"total": {0.9: threshold}}})
    assert policy.threshold(("rules",), "total", 1 - 0.1) == (0.9, threshold)
    assert policy.threshold(("rules",), "total", 0.3 * 3) == (0.9, threshold)


def test_every_chain_once_in_order_of_length():
    listed = all_chains()
    assert len(listed) == len(set(listed)) == 7
    assert [len(chain) for chain in listed] == sorted(len(chain) for chain in listed)
    assert all(list(chain) == [tier for tier in TIERS if tier in chain] for chain in listed)


GOOD = {
    "format": 1,
    "task": "receipts",
    "delta": 0.05,
    "about": {},
    "versions": {"rules": {}, "student": "x"},
    "estimates": {"large": {"base_seconds": 0.1, "seconds_per_character": 0.001, "most_characters": 9000}},
    "thresholds": {
        "rules": {
            "total": {
                "0.9": {
                    "value": 0.5,
                    "certified": True,
                    "accepted": 9,
                    "errors": 0,
                    "documents": 9,
                    "bound": 0.1,
                    "absent": {"value": 0.5, "accepted": 9, "errors": 0, "bound": 0.1, "certified": True},
                }
            }
        }
    },
    "combiners": {"rules": {"total": {"intercept": 0.0, "weights": {"valid": 1.0}}}},
}


def write(path, value):
    path.write_text(json.dumps(value), "utf-8")
    return path


def replaced(value, keys, new):
    if not keys:
        return new
    return {**value, keys[0]: replaced(value[keys[0]], keys[1:], new)}


def test_the_smallest_good_policy(tmp_path):
    policy = Policy.load(write(tmp_path / "policy.json", GOOD))
    assert policy.targets(("rules",), "total") == [0.9]


THRESHOLD = ("thresholds", "rules", "total", "0.9")


@pytest.mark.parametrize(
    ("keys", "new"),
    [
        (("format",), 2),
        (("delta",), "0.05"),
        (("versions",), "x"),
        (("versions", "rules"), ["x"]),
        (("thresholds",), []),
        (("thresholds", "rules", "total"), {"often": {}}),
        ((*THRESHOLD, "value"), "0.5"),
        ((*THRESHOLD, "value"), None),
        ((*THRESHOLD, "value"), True),
        ((*THRESHOLD, "value"), float("nan")),
        ((*THRESHOLD, "certified"), "false"),
        ((*THRESHOLD, "certified"), 1),
        ((*THRESHOLD, "absent", "certified"), "false"),
        ((*THRESHOLD, "absent", "value"), "0.5"),
        ((*THRESHOLD, "absent"), 0.5),
        ((*THRESHOLD, "surprise"), 1),
        (("combiners", "rules", "total", "weights"), {"valid": "1"}),
        (("combiners", "rules", "total", "weights"), ["valid"]),
        (("combiners", "rules", "total", "intercept"), None),
        (("estimates", "large", "base_seconds"), -1.0),
        (("estimates", "large", "most_characters"), 0),
        (("estimates", "large", "most_characters"), 1.5),
        (("estimates", "large"), 3),
        ((), []),
        ((), "policy"),
    ],
)
def test_a_malformed_policy_is_refused_when_it_is_read(tmp_path, keys, new):
    value = GOOD
    if keys and keys[-1] == "surprise":
        value = replaced(GOOD, keys[:-1], {**GOOD["thresholds"]["rules"]["total"]["0.9"], "surprise": new})
    else:
        value = replaced(GOOD, keys, new)
    path = write(tmp_path / "policy.json", value)
    with pytest.raises(PolicyError, match=r"policy\.json"):
        Policy.load(path)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_part_must_be_there(tmp_path, key):
    path = write(tmp_path / "policy.json", {name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(PolicyError):
        Policy.load(path)


def test_a_missing_policy_says_what_makes_one(tmp_path):
    with pytest.raises(PolicyError, match="cascade calibrate"):
        Policy.load(tmp_path / "policy.json")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"", b"[" * 100_000])
def test_a_file_that_is_no_json(tmp_path, content):
    (tmp_path / "policy.json").write_bytes(content)
    with pytest.raises(PolicyError):
        Policy.load(tmp_path / "policy.json")
