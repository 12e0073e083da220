"""Certificates for all fields together and for groups: they hold in repeated trials, and follow from what is served."""

import math
import random

import pytest

from training.calibrate.thresholds import choose, path_to
from training.calibrate.trials import GRID, Stage, Trial, count
from training.calibrate.wider import LAXER, Field, certify_groups, certify_task, certify_whole, tried

DELTA = 0.05
REPEATS = 150
#: Violations that are still no evidence against 5 %: mean and three standard deviations of Bin(150, 0.05).
ALLOWED = REPEATS * DELTA + 3 * math.sqrt(REPEATS * DELTA * (1 - DELTA))


def draw(rng, risk):
    """A document of one stage that is wrong with ``risk`` times its doubt."""
    probability = rng.betavariate(5, 1)
    return Trial((Stage(probability, rng.random() >= min(1.0, risk * (1 - probability))),))


def made(fitting, calibration, targets=(0.8, 0.9), groups=()):
    thresholds = {target: choose(fitting, calibration, target, DELTA) for target in targets}
    return Field(fitting, calibration, thresholds, DELTA, groups)


def test_all_fields_together_keep_their_target_in_repeated_trials():
    rng = random.Random(1)
    risks = {"one": 0.8, "two": 0.55, "three": 0.4}
    everyone = {name: [draw(rng, risk) for _ in range(4000)] for name, risk in risks.items()}
    broken = certified = 0
    for _ in range(REPEATS):
        fields = {
            name: made(rng.choices(found, k=100), rng.choices(found, k=200), (0.85,))
            for name, found in everyone.items()
        }
        whole = certify_whole(fields, dict.fromkeys(fields, 0.85), DELTA)
        if whole.target is None:
            continue
        certified += 1
        seen = [
            count(everyone[name], field.thresholds[0.85].value) for name, field in fields.items() if field.served(0.85)
        ]
        wrong, accepted = sum(one.present_errors for one in seen), sum(one.present for one in seen)
        broken += wrong > (1 - whole.target) * accepted
    assert certified > REPEATS / 2
    assert broken <= ALLOWED


def test_the_way_to_a_threshold_ends_there_and_only_gets_laxer():
    rng = random.Random(2)
    fitting, calibration = ([draw(rng, 0.4) for _ in range(size)] for size in (100, 200))
    threshold = choose(fitting, calibration, 0.9, DELTA)
    path = path_to(fitting, calibration, threshold, 0.9, DELTA)
    values = [value for value, _ in path]
    assert values[-1] == threshold.value
    assert values == sorted(values, reverse=True)
    assert set(values) <= set(GRID)
    field = made(fitting, calibration)
    assert field.holds(0.9, 0.9, DELTA)
    assert not field.holds(0.9, 0.9, 1e-12)
    assert path_to(fitting, [Trial((Stage(0.9, False),))] * 50, threshold, 0.9, DELTA) is None or threshold.certified


def test_fields_at_the_limit_are_not_certified_together_because_one_was_lucky():
    """How many fields share the confidence is settled before the documents are looked at."""
    rng = random.Random(11)
    error = 0.0501  # no threshold of any field keeps 0.95
    draws = 400
    broken = 0
    for _ in range(draws):
        fields = {}
        for name in "abcd":
            found = [Trial((Stage(0.99, rng.random() >= error),)) for _ in range(125)]
            fields[name] = made([Trial((Stage(0.99, True),))] * 50, found, (0.95,))
        broken += certify_whole(fields, dict.fromkeys(fields, 0.95), DELTA).target == 0.95
    assert broken <= draws * DELTA + 3 * math.sqrt(draws * DELTA * (1 - DELTA))


def test_a_field_that_accepts_nothing_takes_its_share_of_the_confidence():
    rng = random.Random(3)
    good = made([draw(rng, 0.1) for _ in range(100)], [draw(rng, 0.1) for _ in range(150)])
    hopeless = made([Trial((Stage(0.9, False),))] * 50, [Trial((Stage(0.9, False),))] * 50)
    both = certify_whole({"good": good, "hopeless": hopeless}, {"good": 0.9, "hopeless": 0.9}, DELTA)
    alone = certify_whole({"good": good}, {"good": 0.9}, DELTA)
    assert (both.fields, alone.fields) == (2, 1)
    assert both.accepted == alone.accepted
    nothing = certify_whole({"hopeless": hopeless}, {"hopeless": 0.9}, DELTA)
    assert (nothing.target, nothing.fields, nothing.accepted, nothing.labels_needed) == (None, 1, 0, None)


def test_what_is_lacking_is_said_in_labels():
    # 59 labels do for one field; for two at once it takes ln(0.05 / 2) / ln(0.95) = 72, more where other targets are
    # calibrated that could serve the quality too.
    assert len(tried(0.95)) == 4
    right = [Trial((Stage(0.99, True),))] * 60
    fields = {name: made(right, right, (0.95,)) for name in "ab"}
    found = certify_task(fields, (0.95,), {"a": 0.95, "b": 0.95}, DELTA)
    assert found["0.95"] == found["default"]
    assert (found["0.95"].target, found["0.95"].labels_needed) == (0.9, 72)
    enough = [Trial((Stage(0.99, True),))] * 72
    fields = {name: made(enough, enough, (0.95,)) for name in "ab"}
    assert certify_task(fields, (0.95,), {"a": 0.95, "b": 0.95}, DELTA)["0.95"].target == 0.95
    fields = {name: made(enough, enough, (0.95, 0.97)) for name in "ab"}
    assert certify_task(fields, (0.95,), {"a": 0.95, "b": 0.95}, DELTA)["0.95"].target == 0.9


def test_over_groups_each_merchant_counts_once():
    """Thirty documents of one merchant are one merchant, however right they are."""
    right = Trial((Stage(0.99, True),))
    groups = ["big"] * 30 + [f"small {number}" for number in range(29)]
    field = made([right] * 59, [right] * 59, (0.9,), groups)
    found = certify_groups(field, 0.9, {group for group in groups if group != "big"}, DELTA)
    assert (found.every.groups, found.every.with_errors, found.every.error) == (30, 0, 0.0)
    assert found.every.target == 0.9  # 0.9 ** 29 < 0.05 < 0.9 ** 28
    assert (found.unseen.groups, found.unseen.target) == (29, 0.9)
    fewer = certify_groups(field, 0.9, {"small 1", "small 2"}, DELTA)
    assert (fewer.unseen.groups, fewer.unseen.target) == (2, None)
    assert certify_groups(field, 0.9, set(), DELTA).unseen.target is None


def test_over_groups_the_target_is_kept_in_repeated_trials():
    """Merchants whose documents are wrong together: the exact bound over documents breaks, the one over merchants does
    not."""
    rng = random.Random(5)
    broken = certified = 0
    rates = [0.9 if rng.random() < 0.08 else 0.0 for _ in range(5000)]
    truth = sum(rates) / len(rates)
    fitting = [Trial((Stage(0.9, rng.random() > truth),)) for _ in range(60)]
    for _ in range(REPEATS):
        calibration, groups = [], []
        for merchant in range(60):
            rate = rng.choice(rates)
            for _ in range(4):
                calibration.append(Trial((Stage(0.9, rng.random() >= rate),)))
                groups.append(str(merchant))
        field = made(fitting, calibration, (0.8,), groups)
        if field.served(0.8) is None:
            continue
        target = certify_groups(field, 0.8, (), DELTA).every.target
        if target is not None:
            certified += 1
            broken += truth > 1 - target
    assert certified > REPEATS / 2
    assert broken <= ALLOWED


@pytest.mark.parametrize("target", [0.97, 0.95, *LAXER])
def test_a_threshold_that_keeps_a_target_keeps_every_laxer_one(target):
    rng = random.Random(7)
    field = made([draw(rng, 0.3) for _ in range(100)], [draw(rng, 0.3) for _ in range(200)])
    served = field.served(0.8)
    if field.holds(served, target, DELTA):
        assert all(field.holds(served, laxer, DELTA) for laxer in LAXER if laxer < target)
