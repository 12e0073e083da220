"""Which candidates become rules."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.evaluation.bounds import clopper_pearson_upper
from training.drafting.drafting import make_folds
from training.drafting.scoring import Answer, Score
from training.drafting.selecting import Demand, apply, select


def score(right, wrong=(), late=0):
    answers = {number: Answer(("v",), ("v",)) for number in right} | {number: Answer(("w",), ()) for number in wrong}
    return Score(answers, late)


DOCUMENTS = range(200)


def test_the_fewest_rules_that_add_answers_are_taken_and_the_most_precise_comes_first():
    scores = {
        "broad": score(range(100), range(100, 104)),
        "inside": score(range(60)),
        "other": score(range(120, 160)),
        "few": score(range(160, 162)),
        "bad": score(range(160, 200), range(0, 40)),
        "slow": score(range(160, 200), late=50),
    }
    chosen = select(scores, DOCUMENTS, Demand(0.9, 0.95), many=False, most=10)
    assert [item.key for item in chosen] == ["other", "broad"]
    assert chosen[1].added == 100
    assert [item.key for item in select(scores, DOCUMENTS, Demand(0.9, 0.95), many=False, most=1)] == ["broad"]
    assert select(scores, range(100, 110), Demand(), many=False, most=10) == []


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.tuples(st.sets(st.integers(0, 199), max_size=80), st.sets(st.integers(0, 199), max_size=10)),
        max_size=8,
    ),
    st.sampled_from([0.6, 0.8, 0.9]),
    st.booleans(),
)
def test_every_rule_holds_its_bound_and_what_is_answered_is_what_they_add(cases, precision, many):
    scores = {key: score(right - wrong, wrong) for key, (right, wrong) in cases.items()}
    chosen = select(scores, DOCUMENTS, Demand(precision, 0.9), many=many, most=5)
    for item in chosen:
        assert 1 - clopper_pearson_upper(item.found - item.right, item.found, 0.1) >= precision
        assert (item.found, item.right) == (scores[item.key].found, scores[item.key].right)
    assert len({item.key for item in chosen}) == len(chosen)
    wanted = {number: frozenset({"v"}) for number in DOCUMENTS}
    figures = apply([item.key for item in chosen], scores, wanted, many=many)
    covered = {number for item in chosen for number, answer in scores[item.key].answers.items() if answer.right}
    assert figures.expected == 200
    assert figures.right <= len(covered) if not many else figures.right == len(covered)
    assert figures.right <= figures.answered


def test_of_a_many_field_all_rules_count_and_of_a_single_one_the_first():
    scores = {"a": Score({0: Answer(("x",), ("x",))}), "b": Score({0: Answer(("y",), ("y",)), 1: Answer(("z",), ())})}
    wanted = {0: frozenset({"x", "y"}), 1: frozenset()}
    many = apply(["a", "b"], scores, wanted, many=True)
    assert (many.expected, many.answered, many.right) == (2, 3, 2)
    single = apply(["a", "b"], scores, wanted, many=False)
    assert (single.answered, single.right) == (2, 1)


@given(
    st.lists(st.sampled_from(["one two three four five", "a b c d", "x"]) | st.text("abc ", min_size=1), max_size=40)
)
def test_folds_hold_each_document_once_and_copies_together(texts):
    folds = make_folds(texts, 4, 1)
    assert sorted(number for fold in folds for number in fold) == list(range(len(texts)))
    for fold in folds:
        assert not {texts[number] for number in fold} & {
            texts[number] for other in folds if other is not fold for number in other
        }
