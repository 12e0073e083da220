"""The trade-off curve, from recorded outputs of tiers with known faults."""

import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.combine import Combiner
from gateway.document import Candidate, Proposal, TierOutput, Work
from gateway.evaluation.charts import write_charts
from gateway.evaluation.curve import SWEEP, as_csv, by_kind, curve, with_threshold
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.figures import can_draw
from gateway.evaluation.reliability import as_csv as reliability_csv
from gateway.evaluation.reliability import before_and_after, reliability
from gateway.evaluation.replay import Recorded, replay, tally
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.task import FieldSpec, TaskSpec

TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "town": FieldSpec("town", "text")}, quality=0.8)
SECONDS = {"rules": 0.001, "student": 0.2, "large": 1.0}
SKILL = {"rules": 0.6, "student": 0.8, "large": 0.95}


def output(rng, tier, value):
    right = rng.random() < SKILL[tier]
    score = rng.uniform(0.7, 0.99) if right else rng.uniform(0.2, 0.8)
    shown = value if right else f"not {value}"
    candidate = Candidate(shown, shown, shown, ((0, 1),), score, tier)
    return TierOutput({name: Proposal((candidate,)) for name in TASK.fields}, Work(SECONDS[tier], SECONDS[tier], 5))


@pytest.fixture(scope="module")
def items():
    rng = random.Random(3)
    made = []
    for number in range(150):
        value = f"v{number}"
        labels = {"shop": value, "town": value} if number % 10 else {"shop": value}
        document = LabelledDocument(str(number), value, labels)
        made.append(Recorded(document, {tier: output(rng, tier, value) for tier in SECONDS}))
    return made


@pytest.fixture(scope="module")
def policy():
    chains = [chain_name(chain) for chain in all_chains()]
    # The score of a tier's own candidate decides.
    weights = {f"{tier}.logit": 1.0 for tier in SECONDS}
    combiners = {chain: {name: Combiner(0.0, weights) for name in TASK.fields} for chain in chains}
    thresholds = {
        chain: {
            "shop": {0.8: Threshold(0.75, True, 1, 0, 1, 0.1), 0.9: Threshold(0.9, False, 1, 0, 1, 0.3)},
            "town": {0.8: Threshold(0.75, True, 1, 0, 1, 0.1), 0.9: Threshold(0.9, True, 1, 0, 1, 0.1)},
        }
        for chain in chains
    }
    return Policy("bills", combiners=combiners, thresholds=thresholds)


@pytest.fixture(scope="module")
def points(items, policy):
    return curve(TASK, policy, items)


def test_there_is_a_point_for_every_way_of_answering(points):
    kinds = by_kind(points)
    assert {kind: [point.name for point in found] for kind, found in kinds.items()} == {
        "tier": ["rules", "student", "large"],
        "threshold": [f"{value:g}" for value in SWEEP],
        "target": ["0.8", "0.9"],
        "oracle": ["oracle"],
    }
    # A target is certified when it is for every field.
    assert [point.certified for point in kinds["target"]] == [True, False]


def test_single_tiers_cost_their_own_work_and_accept_everything(points):
    for point in by_kind(points)["tier"]:
        assert point.tally.cost == pytest.approx(SECONDS[point.name])
        assert point.tally.accepted_share == 1.0
        assert point.tally.answers == 285  # fifteen towns are not annotated
        assert 1 - point.tally.right_share == pytest.approx(point.tally.selective_error)


def test_a_stricter_threshold_costs_more_and_accepts_less(points):
    swept = by_kind(points)["threshold"]
    costs = [point.tally.cost for point in swept]
    accepted = [point.tally.accepted_share for point in swept]
    assert costs == sorted(costs)
    assert accepted == sorted(accepted, reverse=True)
    assert costs[0] == pytest.approx(SECONDS["rules"])
    assert accepted[0] == 1.0


def test_nothing_is_right_more_often_than_the_oracle_and_nothing_as_right_is_cheaper(points):
    oracle = by_kind(points)["oracle"][0].tally
    assert all(point.tally.right_share <= oracle.right_share for point in points)
    assert oracle.cost < by_kind(points)["tier"][2].tally.cost
    assert oracle.wrong_present == 0


def test_replay_is_what_the_cascade_does_with_those_outputs(items, policy):
    found = [replay(TASK, policy, item.outputs) for item in items]
    counted = tally(TASK, items, found)
    assert counted.student_share == sum("student" in one.tiers for one in found) / len(found)
    assert 0 < counted.large_share <= counted.student_share < 1
    alone = replay(TASK, policy, items[0].outputs, tiers=["student"])
    assert alone.tiers == ("student",)


@given(st.floats(0, 1))
def test_one_threshold_everywhere_is_that_threshold(value):
    policy = Policy("bills", thresholds={"rules": {"shop": {}, "town": {}}})
    chosen = with_threshold(policy, TASK, value).threshold(("rules",), "shop", 0.97)
    assert chosen is not None
    assert chosen[1].value == value
    assert chosen[1].accepts(value, present=False)


def test_the_table_holds_every_point(points):
    rows = list(csv.DictReader(io.StringIO(as_csv(points))))
    assert [(row["kind"], row["name"]) for row in rows] == [(point.kind, point.name) for point in points]


@pytest.mark.parametrize("drawing", [True, False])
def test_tables_are_always_written_and_drawings_where_they_can_be(
    policy, items, points, tmp_path, monkeypatch, drawing
):
    if drawing and not can_draw():
        pytest.skip("matplotlib (extra train) is not installed")
    if not drawing:
        monkeypatch.setattr("gateway.evaluation.charts.can_draw", lambda: False)
    found = write_charts(tmp_path, TASK, policy, items, "bills")
    assert (tmp_path / "curve.csv").read_text("utf-8") == as_csv(points)
    names = {path.name for path in found.paths}
    assert names == {path.name for path in tmp_path.iterdir()}
    if drawing:
        assert names == {"curve.csv", "curve.svg", "reliability.csv", "reliability.svg"}
        assert found.note is None
        before = {path: path.read_bytes() for path in found.paths}
        assert before[tmp_path / "curve.svg"].startswith(b"<?xml")
        again = write_charts(tmp_path, TASK, policy, items, "bills")
        assert {path: path.read_bytes() for path in again.paths} == before
    else:
        assert names == {"curve.csv", "reliability.csv"}
        assert "pip install 'cascade-gateway[train]'" in found.note


def test_reliability_before_and_after_the_combiner(policy, items):
    found = {one.name: one for one in before_and_after(TASK, policy, items)}
    tiers = [f"{tier} {what}" for tier in SECONDS for what in ("score", "combined")]
    assert list(found) == [*tiers, "all combined"]
    assert all(one.count == 285 for one in found.values())
    # These combiners repeat the tier's own score, clipped.
    assert found["student combined"].brier == pytest.approx(found["student score"].brier)
    assert found["all combined"].brier < found["rules score"].brier


def test_the_curve_leaves_out_what_is_not_trusted(items, policy):
    nobody = dict.fromkeys(TASK.fields, ("rules", "student", "large"))
    points = {(point.kind, point.name): point for point in curve(TASK, policy, items, nobody)}
    assert points["target", "0.8"].tally.accepted_present == 0
    assert not points["target", "0.8"].certified
    assert points["tier", "rules"].tally.accepted_share == 1.0


def test_without_documents_there_is_no_oracle(policy):
    points = curve(TASK, policy, [])
    assert {point.kind for point in points} == {"threshold", "target"}
    assert all(point.tally.cost == 0 for point in points)


def test_a_worked_reliability_diagram():
    found = reliability("shop", [0.9, 0.9, 0.9, 0.9, 0.5, 0.5], [True, True, True, False, True, False], bins=2)
    assert [bin_.count for bin_ in found.bins] == [3, 3]
    assert found.brier == pytest.approx((3 * 0.01 + 0.81 + 2 * 0.25) / 6)
    assert sum(bin_.count for bin_ in found.bins) == 6


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 12))
def test_bins_partition_the_answers(pairs, bins):
    probabilities, right = [one for one, _ in pairs], [other for _, other in pairs]
    found = reliability("x", probabilities, right, bins=bins)
    assert sum(bin_.count for bin_ in found.bins) == len(pairs)
    assert 0 <= found.error <= 1
    for bin_ in found.bins:
        assert bin_.low <= bin_.right + 1e-9
        assert bin_.right <= bin_.high + 1e-9
    assert sum(bin_.count * bin_.right for bin_ in found.bins) == pytest.approx(sum(right))
    assert reliability_csv([found]).count("\n") == len(found.bins) + 1


def test_probabilities_that_come_true_have_a_small_error():
    rng = random.Random(5)
    stated = [rng.random() for _ in range(20_000)]
    honest = reliability("honest", stated, [rng.random() < value for value in stated])
    boastful = reliability("boastful", [value**0.3 for value in stated], [rng.random() < value for value in stated])
    assert honest.error < 0.02 < boastful.error


@pytest.mark.parametrize(("probabilities", "right"), [([0.5], []), ([1.5], [True]), ([-0.1], [True])])
def test_what_is_no_probability_is_refused(probabilities, right):
    with pytest.raises(ValueError, match="probability"):
        reliability("x", probabilities, right)
