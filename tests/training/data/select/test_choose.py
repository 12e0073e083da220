"""Choosing by score: counts, ties, rare fields, and combining scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.data.select.choose import choose, choose_stratified, combined, kept, random_scores, ranks, with_randomness
from training.data.select.filter import FilterWeights, combined_filter
from training.data.select.recipe import SCORES, parse_selection

FIELDS = st.lists(st.sets(st.sampled_from("abcde"), max_size=3), min_size=1, max_size=60)


def test_the_best_share_is_kept_from_either_end():
    scores = [0.1, 0.9, 0.5, 0.7, 0.3]
    assert choose(scores, 0.4) == [1, 3]
    assert choose(scores, 0.5, prefer="low") == [0, 2, 4]
    assert choose(scores, 1.0) == [0, 1, 2, 3, 4]
    assert kept(100, 0.07) == 7


def test_ties_are_broken_by_the_seed_and_not_by_place():
    chosen = [choose(np.zeros(100), 0.1, seed=seed) for seed in range(3)]
    assert chosen[0] == choose(np.zeros(100), 0.1, seed=0)
    assert chosen[0] != chosen[1]
    assert max(chosen[0]) > 20


def test_rare_fields_survive():
    rng = np.random.default_rng(0)
    fields = [
        {"common"} | ({"rare"} if index < 12 else set()) | ({"some"} if index % 5 == 0 else set())
        for index in range(600)
    ]
    # The rare field's examples are the worst by score.
    scores = np.where(np.arange(600) < 12, 0.0, 1 + rng.random(600))
    assert not any(index < 12 for index in choose(scores, 0.2))
    chosen = choose_stratified(scores, 0.2, fields, least=10)
    assert len(chosen) == 120
    assert sum("rare" in fields[index] for index in chosen) == 10
    assert sum("some" in fields[index] for index in chosen) >= 24
    # Among a field's examples the best are chosen.
    rest = [scores[index] for index in range(600) if index >= 12 and index not in chosen and index % 5]
    best = [scores[index] for index in chosen if index >= 12 and index % 5]
    assert min(best) > max(rest)


@given(FIELDS, st.floats(0.02, 1), st.integers(0, 5), st.integers(0, 99))
def test_exactly_the_share_is_chosen_and_every_field_has_its_own(fields, keep, least, seed):
    scores = np.random.default_rng(seed).random(len(fields))
    chosen = choose_stratified(scores, keep, fields, least=least, seed=seed)
    assert len(chosen) == len(set(chosen)) == kept(len(fields), keep)
    assert chosen == sorted(chosen)
    names = {name for row in fields for name in row}
    claims = {
        name: min(
            sum(name in row for row in fields), max(math.ceil(keep * sum(name in row for row in fields) - 1e-6), least)
        )
        for name in names
    }
    # What all fields claim together fits when it is no more than the budget.
    if sum(claims.values()) + kept(max(1, sum(not row for row in fields)), keep) + least <= len(chosen):
        for name, claim in claims.items():
            assert sum(name in fields[index] for index in chosen) >= claim


def test_when_claims_exceed_the_budget_the_rarest_come_first():
    fields = [{"rare"}] * 3 + [{"common"}] * 97
    chosen = choose_stratified(np.arange(100.0), 0.03, fields, least=50)
    assert chosen == [0, 1, 2]


def test_ranks_and_combination():
    assert ranks([5, 1, 3]).tolist() == [1, 0, 0.5]
    assert ranks([2, 2, 7]).tolist() == [0.25, 0.25, 1]
    assert ranks([4]).tolist() == [0]
    one, other = [0.0, 1, 2], [1e9, 0, -1e9]
    assert combined({"one": one, "other": other}) == pytest.approx([0.5] * 3)
    assert combined({"one": one, "other": other}, {"one": 3, "other": 1}) == pytest.approx([0.25, 0.5, 0.75])


def test_randomness_moves_its_share():
    scores = np.arange(1000.0)
    moved = with_randomness(scores, 0.2, seed=1)
    assert int((moved != ranks(scores)).sum()) == 200
    assert np.array_equal(with_randomness(scores, 0.0), ranks(scores))
    assert np.corrcoef(with_randomness(scores, 1.0), scores)[0, 1] < 0.2
    assert np.array_equal(random_scores(5, 3), random_scores(5, 3))


def test_the_combined_filter_brings_up_what_any_opinion_brings_up():
    rng = np.random.default_rng(0)
    size = 200
    sure = np.tile([0.98, 0.01, 0.01], (5, size, 1)) + 1e-3 * rng.random((5, size, 3))
    standard, answers, margins = sure.copy(), sure.copy(), 1 + rng.random(size)
    standard[:2, 7] = [0.0, 1.0, 0.0]
    answers[:3, 11] = [0.0, 0.0, 1.0]
    margins[13] = 0.01
    weights = FilterWeights(randomness=0.0)
    for given_, place in (
        ({"standard": standard}, 7),
        ({"probabilistic": answers}, 11),
        ({"margins": margins}, 13),
    ):
        assert combined_filter(**given_, weights=weights).argmax() == place
    margins[[7, 11]] = 0.02, 0.03
    together = combined_filter(standard=standard, probabilistic=answers, margins=margins, weights=weights)
    assert set(np.argsort(-together)[:20]) >= {7, 11}
    assert len(set(combined_filter(margins=margins, seed=1)) ^ set(combined_filter(margins=margins, seed=2))) > 10


@pytest.mark.parametrize(
    "call",
    [
        lambda: choose([1.0], 0),
        lambda: choose([math.nan], 1),
        lambda: choose([1.0], 1, prefer="best"),
        lambda: choose_stratified([1.0], 1, []),
        lambda: combined({}),
        lambda: combined({"a": [1.0]}, {"b": 1.0}),
        lambda: combined({"a": [1.0]}, {"a": -1.0}),
        lambda: combined({"a": [1.0], "b": [1.0, 2.0]}),
        lambda: with_randomness([1.0], 2),
        lambda: combined_filter(),
        lambda: ranks([math.nan]),
    ],
)
def test_wrong_use(call):
    with pytest.raises(ConfigurationError):
        call()


def test_one_line_of_a_recipe():
    selection = parse_selection("el2n keep=50% least=5 seed=3")
    assert (selection.score, selection.keep, selection.prefer, selection.stratified) == ("el2n", 0.5, "high", True)
    assert parse_selection("margin").prefer == "low"
    assert parse_selection("prototypes keep=0.3 prefer=low stratified=no").stratified is False
    fields = [{"rare"}] + [{"common"}] * 9
    scores = np.arange(10.0)
    assert 0 in selection.indices(scores, fields)
    assert parse_selection("el2n keep=50% stratified=no").indices(scores, fields) == [5, 6, 7, 8, 9]
    assert len(parse_selection("random keep=30%").indices(None, fields)) == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", f"score must be one of {', '.join(SCORES)}"),
        ("luck keep=50%", "score must be one of"),
        ("el2n keep=0", "keep must be a number from"),
        ("el2n keep=half", "found half"),
        ("el2n kept=0.5", "unknown option kept; there are: keep"),
        ("el2n keep=0.5 keep=0.6", "keep stands twice"),
        ("el2n prefer=best", "prefer must be one of high, low"),
        ("el2n least=1.5", "whole number"),
    ],
)
def test_a_wrong_line_is_explained(line, problem):
    with pytest.raises(ConfigurationError, match=problem):
        parse_selection(line)
