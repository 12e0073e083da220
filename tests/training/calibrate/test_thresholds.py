"""Accept thresholds: the promise is kept in repeated trials, and there is something to promise."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.combine import Combiner
from gateway.evaluation.bounds import binomial_tail, clopper_pearson_upper, labels_to_certify
from gateway.evaluation.dataset import LabelledDocument
from tests.training.calibrate.synthetic import TASK, observed, output
from training.calibrate.outputs import Observed
from training.calibrate.thresholds import choose, labels_needed
from training.calibrate.trials import GRID, Counts, Stage, Trial, count, trials

DELTA, TARGET = 0.05, 0.9
REPEATS = 400
#: Violations that are still no evidence against 5 %: mean and three standard deviations of Bin(400, 0.05).
ALLOWED = REPEATS * DELTA + 3 * math.sqrt(REPEATS * DELTA * (1 - DELTA))


def trial(stages):
    """A document's answers, each written as (probability, right) or (probability, right, present)."""
    return Trial(tuple(Stage(*stage) for stage in stages))


def single(rng, risk_of):
    """A trial of one tier that is wrong with probability ``risk_of(p)`` when it says p."""
    probability = rng.betavariate(4, 1)
    return trial(((probability, rng.random() >= risk_of(probability)),))


def staged(rng, risk_of):
    """A trial of three tiers, of which the later ones know more but often fail together with the first."""
    hard = rng.random()
    stages = []
    for skill in (0.0, 0.3, 0.6):
        if rng.random() < 0.1:
            stages.append((-1.0, False))
            continue
        probability = min(0.999, max(0.0, (1 - hard * (1 - skill)) ** 0.5 + rng.gauss(0, 0.1)))
        stages.append((probability, rng.random() >= max(risk_of(probability), 0.2 * hard * (1 - skill))))
    return trial(tuple(stages))


def sometimes_absent(rng, risk_of):
    """As ``staged``, in a field that half the documents lack: a surer tier says so more often, and is wrong less."""
    value = staged(rng, risk_of)
    if rng.random() < 0.5:
        return value
    return Trial(tuple(Stage(seen.probability, seen.right, seen.probability < 0) for seen in value.stages))


def overconfident(probability):
    return min(1.0, 1.6 * (1 - probability) + 0.03)


def shrunk(probability):
    return 0.2 * (1 - probability)


def constant(_probability):
    return 0.101


def upside_down(probability):
    """The surer it says it is, the more often it is wrong."""
    return 0.02 + 0.3 * probability


@pytest.mark.parametrize("draw", [single, staged, sometimes_absent])
@pytest.mark.parametrize("risk_of", [overconfident, shrunk, constant, upside_down])
def test_the_share_of_broken_promises_is_at_most_delta(draw, risk_of):
    rng = random.Random(f"{draw.__name__} {risk_of.__name__}")
    population = [draw(rng, risk_of) for _ in range(3000)]
    fitting, size = (400, 800) if draw is sometimes_absent else (60, 150)
    truth = {}
    broken = broken_absent = certified = absences = 0
    for _ in range(REPEATS):
        chosen = choose(rng.choices(population, k=fitting), rng.choices(population, k=size), TARGET, DELTA)
        value = chosen.value if chosen.certified or chosen.steer is None else chosen.steer
        pair = value, chosen.absent.value if chosen.absent else None
        if pair not in truth:
            truth[pair] = count(population, *pair)
        found = truth[pair]
        if chosen.certified:
            certified += 1
            broken += found.present_errors > (1 - TARGET) * found.present
        if chosen.accepts_absence:
            absences += 1
            broken_absent += found.absent_errors > (1 - TARGET) * found.absent
    assert broken <= ALLOWED
    assert broken_absent <= ALLOWED
    if risk_of is shrunk:
        # A promise that is never given is easily kept.
        assert certified > 0.5 * REPEATS
        if draw is sometimes_absent:
            assert absences > 0.3 * REPEATS


def test_thresholds_that_are_only_ever_just_too_lax_are_rarely_certified():
    """The hardest case: every threshold's error lies at the edge, so each test is wrong as often as it may be."""
    rng = random.Random(1)
    certified = sum(
        choose(
            [single(rng, constant) for _ in range(60)], [single(rng, constant) for _ in range(200)], TARGET, DELTA
        ).certified
        for _ in range(REPEATS)
    )
    assert certified <= ALLOWED


@pytest.mark.parametrize(("target", "labels"), [(0.95, 59), (0.98, 149), (0.99, 299)])
def test_how_many_labels_without_an_error_certify(target, labels):
    development = [trial(((0.999, True),))] * 100
    assert choose(development, [trial(((0.999, True),))] * labels, target, DELTA).certified
    refused = choose(development, [trial(((0.999, True),))] * (labels - 1), target, DELTA)
    assert not refused.certified
    assert refused.labels_needed == labels
    assert labels_needed(0.0, 1.0, 1 - target, DELTA) == labels_to_certify(1 - target, DELTA) == labels
    # Where half the documents are accepted it takes twice as many.
    assert labels_needed(0.0, 0.5, 1 - target, DELTA) == 2 * labels


def test_errors_cost_labels_and_too_many_cannot_be_outweighed():
    needed = [labels_needed(rate, 1.0, 0.05, DELTA) for rate in (0.0, 0.01, 0.02, 0.03)]
    assert needed == sorted(needed)
    assert needed[0] < needed[-1]
    assert labels_needed(0.05, 1.0, 0.05, DELTA) is None
    assert labels_needed(0.2, 1.0, 0.05, DELTA) is None
    assert labels_needed(0.0, 0.0, 0.05, DELTA) is None


def test_a_target_that_cannot_be_certified_is_reported_with_what_was_seen():
    calibration = [trial(((0.9, number % 4 > 0),)) for number in range(40)]
    far = choose(calibration, calibration, 0.97, DELTA)
    assert not far.certified
    assert far.documents == 40
    assert far.labels_needed is None  # at this rate no number would do
    near = choose(calibration, calibration, 0.7, DELTA)
    assert not near.certified
    assert (near.accepted, near.errors, near.documents) == (40, 10, 40)
    assert near.bound == clopper_pearson_upper(10, 40, DELTA) > 0.3
    assert near.labels_needed > 40


def test_an_uncertified_threshold_escalates_what_is_likely_wrong():
    """It is the laxest that kept to the target on what was seen."""
    calibration = [trial(((0.96, True),))] * 9 + [trial(((0.8, number % 2 > 0),)) for number in range(10)]
    found = choose(calibration, calibration, 0.9, DELTA)
    assert not found.certified
    assert 0.8 < found.value <= 0.96
    assert (found.accepted, found.errors) == (9, 0)


def test_a_threshold_that_fails_ends_the_search():
    """Going on past it until some laxer one happens to pass would test many times and promise as if only once."""
    development = [trial(((0.9, True),))] * 50
    surest = [trial(((0.9, number >= 6),)) for number in range(30)]
    others = [trial(((0.5, True),))] * 200
    assert count(surest + others, 0.5) == Counts(230, 6)
    assert not choose(development, surest + others, TARGET, DELTA).certified
    assert choose(development, others, TARGET, DELTA).certified is False  # nothing is accepted where it starts


def test_a_certified_threshold_carries_its_evidence():
    development = [trial(((0.9, True),))] * 50
    calibration = [trial(((0.9, number != 0),)) for number in range(80)] + [trial(((0.2, False),))] * 20
    found = choose(development, calibration, TARGET, DELTA)
    assert found.certified
    assert (found.accepted, found.errors, found.documents) == (80, 1, 100)
    assert 0.2 < found.value <= 0.9
    assert found.bound == clopper_pearson_upper(1, 80, DELTA) <= 1 - TARGET
    assert found.labels_needed is None


@pytest.mark.parametrize(("development", "calibration"), [(0, 0), (0, 100), (100, 0), (1, 1)])
def test_without_enough_documents_nothing_is_certified(development, calibration):
    right = trial(((0.99, True),))
    found = choose([right] * development, [right] * calibration, TARGET, DELTA)
    assert not found.certified
    assert found.documents == calibration


def test_tiers_that_found_nothing_certify_nothing():
    nothing = [trial(((-1.0, False),))] * 100
    found = choose(nothing, nothing, TARGET, DELTA)
    assert (found.certified, found.accepted, found.errors) == (False, 0, 0)


probabilities = st.sampled_from([-1.0, 0.0, 0.1, 0.3, 0.52, 0.7, 0.83, 0.9, 0.955, 0.99, 0.999])
stage = st.tuples(probabilities, st.booleans(), st.booleans()).map(
    lambda seen: (seen[0], seen[1] and seen[0] >= 0, seen[2] or seen[0] < 0)
)
sets = st.integers(1, 3).flatmap(
    lambda stages: st.lists(
        st.lists(stage, min_size=stages, max_size=stages).map(lambda row: trial(tuple(row))), max_size=40
    )
)
targets = st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95])


@given(sets, st.sampled_from(GRID), st.none() | st.sampled_from(GRID))
def test_what_is_accepted_is_decided_at_the_first_stage_that_passes(found, threshold, absent):
    judged = {True: [], False: []}
    for document in found:
        for seen in document.stages:
            wanted = threshold if seen.present else absent
            if wanted is not None and seen.probability >= wanted:
                judged[seen.present].append(seen.right)
                break
    values, absences = judged[True], judged[False]
    expected = Counts(len(values), values.count(False), len(absences), absences.count(False))
    assert count(found, threshold, absent) == expected


@given(sets, st.sampled_from(GRID), st.sampled_from(GRID))
def test_a_laxer_threshold_accepts_no_fewer(found, one, other):
    def accepted(threshold):
        seen = count(found, threshold, threshold)
        return seen.present + seen.absent

    assert accepted(max(one, other)) <= accepted(min(one, other))


@given(sets, sets, targets, st.floats(0.01, 0.4))
def test_the_evidence_is_what_the_threshold_accepts(development, calibration, target, delta):
    found = choose(development, calibration, target, delta)
    assert found.value in GRID
    assert found.documents == len(calibration)
    seen = count(calibration, found.value, found.absent.value if found.absent and found.certified else None)
    assert (found.accepted, found.errors) == (seen.present, seen.present_errors)
    if found.absent:
        asked = found.value if found.certified else found.steer
        seen = count(calibration, asked, found.absent.value)
        assert (found.absent.accepted, found.absent.errors) == (seen.absent, seen.absent_errors)
    if found.accepts_absence:
        assert found.absent.bound <= 1 - target + 1e-9
    if found.certified:
        assert found.accepted > 0
        assert found.bound <= 1 - target + 1e-9
    else:
        assert found.bound == (clopper_pearson_upper(found.errors, found.accepted, delta) if found.accepted else 1.0)


def answers_accepted(threshold):
    """On the documents that it was certified on."""
    return threshold.accepted + (threshold.absent.accepted if threshold.accepts_absence else 0)


@given(sets, sets, targets, st.data())
def test_with_fewer_errors_no_less_is_accepted(development, calibration, target, data):
    before = choose(development, calibration, target, DELTA)
    mended = [
        trial(
            tuple(
                (seen.probability, seen.right or (seen.probability >= 0 and data.draw(st.booleans())), seen.present)
                for seen in document.stages
            )
        )
        for document in calibration
    ]
    after = choose(development, mended, target, DELTA)
    if before.certified:
        assert after.certified
        assert answers_accepted(after) >= answers_accepted(before)


@given(sets, sets, targets, st.floats(0.01, 0.2))
def test_less_confidence_never_costs_values_their_certificate(development, calibration, target, delta):
    strict, lax = (choose(development, calibration, target, level) for level in (delta, 2 * delta))
    if strict.certified:
        assert lax.certified


SURE = Combiner(0.0, {"student.logit": 1.0, "large.logit": 1.0})


def test_trials_see_what_the_cascade_sees_stage_by_stage():
    data = [
        observed("a", "1", student={"a": 0.9}, large={"a": 0.9}),
        observed("a", "2", student={"b": 0.9}, large={"a": 0.99}),
        observed("a", "3", student={}, large={}),
        observed(None, "4", student={"b": 0.9}, large={"b": 0.9}),
        Observed(LabelledDocument("5", "5", {}), {tier: output({"a": 0.9}) for tier in ("student", "large")}),
    ]
    combiners = {chain: {"shop": SURE} for chain in ("student", "student+large")}
    found = trials(data, ("student", "large"), combiners, TASK, "shop")
    # The document that is not annotated is left out; in the one whose field is absent every answer is wrong.
    assert len(found) == 4
    assert [[seen.right for seen in document.stages] for document in found] == [
        [True, True],
        [False, True],
        [False, False],
        [False, False],
    ]
    assert found[0].stages[0].probability == pytest.approx(0.9)
    assert found[0].stages[1].probability == pytest.approx(81 / 82)
    assert [seen.probability for seen in found[2].stages] == [-1.0, -1.0]


def test_without_a_combiner_the_tiers_own_scores_decide():
    (found,) = trials([observed("a", "1", student={"a": 0.7, "b": 0.6})], ("student",), {"student": {}}, TASK, "shop")
    assert found.stages == (Stage(0.7, True),)


def test_where_nothing_can_be_accepted_only_what_betters_the_answer_is_asked_for():
    """Half the answers are doubtful; a second tier that knows no better is not asked about them, one that does is."""
    sure = [trial(((0.9, True), (0.9, True)))] * 50
    idle = [*sure, *[trial(((0.6, number % 2 > 0), (0.6, number % 2 > 0))) for number in range(50)]]
    helping = [*sure, *[trial(((0.6, number % 2 > 0), (0.6, True))) for number in range(50)]]
    found = [choose(calibration, calibration, 0.99, DELTA) for calibration in (idle, helping)]
    assert [one.certified for one in found] == [False, False]
    assert found[0].settles(0.6, present=True)
    assert not found[1].settles(0.6, present=True)
    assert found[1].settles(0.9, present=True)
    assert not found[0].settles(0.9, present=False)


def test_absence_is_certified_where_values_cannot_be():
    """An optional field: too few values for a test, hundreds of right absences."""
    absent, value = Stage(0.99, True, present=False), Stage(0.9, True)
    fitting = [Trial((absent,))] * 90 + [Trial((value,))] * 5
    calibration = [Trial((absent,))] * 300 + [Trial((value,))] * 20
    found = choose(fitting, calibration, 0.95, 0.05)
    assert not found.certified
    assert found.absent is not None
    assert (found.absent.accepted, found.absent.errors) == (300, 0)
    assert found.accepts(0.99, present=False)
    assert not found.accepts(0.99, present=True)
    assert found.settles(0.9, present=True), "more tiers would not make the value shown likelier to be right"
    wrong = [Trial((replace(absent, right=False),))] * 300 + [Trial((value,))] * 20
    assert not choose(fitting, wrong, 0.95, 0.05).accepts_absence


def test_absence_without_a_certificate_is_passed_on_only_while_it_is_doubtful():
    """Too few documents to certify anything, but enough to see from where on the next tier says the same."""
    absent, doubtful = Stage(0.99, True, present=False), Stage(0.6, False, present=False)
    value = Stage(0.99, True)
    documents = [Trial((absent, absent))] * 120 + [Trial((doubtful, value))] * 10
    found = choose(documents, documents, 0.99, 0.05)
    assert not found.certified
    assert not found.accepts_absence
    assert found.settles(0.99, present=False)
    assert not found.accepts(0.99, present=False)
    assert not found.settles(0.6, present=False)


def test_a_field_that_is_hardly_ever_there_is_not_taken_for_absent_everywhere():
    """Saying "absent" at the first stage is right in 98 of 100; the second stage finds the two values."""
    nothing = Stage(0.97, True, present=False)
    missed = Stage(0.95, False, present=False)
    fitting = [Trial((nothing, nothing))] * 490 + [Trial((missed, Stage(0.97, True)))] * 10
    found = choose(fitting, fitting * 4, 0.9, 0.05)
    assert found.settles(0.97, present=False)
    assert not found.settles(0.95, present=False)
    assert found.accepts(0.97, present=True)


@pytest.mark.parametrize("found_later", [True, False])
def test_what_the_last_tier_misses_too_is_no_reason_to_ask_it(found_later):
    """Four values in a hundred are missed at the first stage; asking on pays only where the second finds them."""
    absent, value = Stage(0.99, True, present=False), Stage(0.97, True)
    missed = Stage(0.95, False, present=False)
    documents = [
        *[Trial((absent, absent))] * 490,
        *[Trial((value, value))] * 98,
        *[Trial((replace(value, right=False),) * 2)] * 2,
        *[Trial((missed, value if found_later else missed))] * 4,
    ]
    found = choose(documents, documents * 4, 0.95, 0.05)
    assert found.certified
    assert found.settles(0.99, present=False)
    assert found.settles(0.95, present=False) != found_later


def test_values_and_absences_have_their_certificates_each_by_itself():
    """Wrong absences take no certificate from values, nor the other way round."""
    absent, value = Stage(0.99, True, present=False), Stage(0.99, True)
    fitting = [Trial((absent,))] * 100 + [Trial((value,))] * 100
    right, wrong = [Trial((value,))] * 59, [Trial((replace(value, right=False),))] * 59
    absences, wrong_absences = [Trial((absent,))] * 59, [Trial((replace(absent, right=False),))] * 59
    for values, others in ((right, wrong_absences), (wrong, absences), (right, absences), (wrong, wrong_absences)):
        found = choose(fitting, values + others, 0.95, 0.05)
        assert found.certified == (values is right)
        assert found.accepts_absence == (others is absences)


def test_a_rare_field_that_nothing_certifies_does_not_send_every_document_on():
    """Three in a hundred have it, the first stage finds it in none, the second is wrong in every other."""
    nothing = Stage(0.99, True, present=False)
    missed = [Trial((Stage(0.9999, False, present=False), Stage(0.9, number % 2 > 0))) for number in range(30)]
    documents = [Trial((nothing, nothing))] * 970 + missed
    found = choose(documents, documents, 0.9, 0.05)
    assert not found.certified
    assert found.settles(0.99, present=False)


def stages(number, probability, right, present=True):
    return [Trial((Stage(probability, right, present),))] * number


#: Sure absences and values, and doubtful ones of which a few are wrong.
MIXED = [
    *(*stages(200, 0.99, True, False), *stages(98, 0.6, True, False), *stages(2, 0.6, False, False)),
    *(*stages(100, 0.99, True), *stages(97, 0.5, True), *stages(3, 0.5, False)),
]
#: On these the doubtful absences are wrong too often.
SURE_ABSENCES = [*stages(200, 0.99, True, False), *stages(60, 0.6, True, False), *stages(40, 0.6, False, False)]


def test_values_that_fail_leave_the_absences_that_passed():
    found = choose(MIXED, [*SURE_ABSENCES, *stages(100, 0.99, False), *stages(100, 0.5, True)], 0.95, 0.05)
    assert not found.certified
    assert found.accepts_absence
    assert (found.absent.accepted, found.absent.errors) == (200, 0)


def test_of_what_passed_the_pair_is_served_that_accepts_most():
    """All values pass, of the absences only the sure ones: here those are more than the values they cost."""
    right = [*stages(100, 0.99, True), *stages(100, 0.5, True)]
    found = choose(MIXED, [*SURE_ABSENCES, *right], 0.95, 0.05)
    assert found.certified
    assert found.accepts_absence
    many = choose(MIXED, [*SURE_ABSENCES, *right, *stages(300, 0.5, True)], 0.95, 0.05)
    assert many.certified
    assert many.accepted == 500
    assert not many.accepts_absence


def test_absence_by_itself_keeps_its_target_in_repeated_trials():
    rng = random.Random(4)
    error, broken, certified = 0.06, 0, 0
    fitting = [Trial((Stage(0.99, True, present=False),))] * 100 + [Trial((Stage(0.9, True),))] * 3
    for _ in range(300):
        calibration = [Trial((Stage(0.99, rng.random() >= error, present=False),)) for _ in range(200)]
        found = choose(fitting, calibration, 0.95, 0.05)
        certified += found.certified
        broken += found.accepts_absence
    assert certified == 0
    assert broken <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)


@given(st.floats(0, 0.2), st.floats(0.05, 1), st.floats(0.01, 0.2), st.integers(0, 5000))
def test_the_labels_said_to_be_needed_would_do(rate, share, risk, beyond):
    needed = labels_needed(rate, share, risk, 0.05, beyond=beyond)
    if needed is None:
        assert rate > 0.9 * risk
        return
    assert needed > beyond
    accepted = math.ceil(needed * share)
    assert binomial_tail(math.floor(rate * accepted), accepted, risk) <= 0.05 + 1e-9
