"""Batch-size schedules: the one-line grammar, and what is said when a line is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.methods.batch_ramp.plan import BatchPlan
from training.methods.batch_ramp.schedule import parse_schedule

SHARES = (0.0, 0.1, 0.29, 0.3, 0.5, 0.6, 0.99)


@pytest.mark.parametrize(
    ("line", "sizes"),
    [
        ("4", [4] * 7),
        ("1, 2 at 30%, 4 at 60%", [1, 1, 1, 2, 2, 4, 4]),
        ("1,2 AT 3 epochs,8 at 6 epochs", [1, 1, 1, 2, 2, 8, 8]),
        ("2, 3 at 1 epoch", [2, 3, 3, 3, 3, 3, 3]),
        ("1 x2 every 20%", [1, 1, 2, 2, 4, 8, 16]),
        ("1 x2 every 20% up to 6", [1, 1, 2, 2, 4, 6, 6]),
        ("3 x1.5 every 3 epochs up to 5", [3, 3, 3, 4, 4, 5, 5]),
        ("1 to 11 over 50%", [1, 3, 7, 7, 11, 11, 11]),
        ("8 to 2 over 6 epochs", [8, 7, 5, 5, 3, 2, 2]),
    ],
)
def test_the_grammar(line, sizes):
    schedule = parse_schedule(line)
    assert [schedule.size(share, epochs=10) for share in SHARES] == sizes


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "expected a number of micro-batches, found the end"),
        ("big", "expected a number of micro-batches, found 'big' at column 1"),
        ("0", "a whole number from 1 to 65536, found '0'"),
        ("1.5", "a whole number from 1"),
        ("1, 2", 'expected "at", found the end'),
        ("1, 2 at", "expected a point such as 30% or 2 epochs, found the end"),
        ("1, 2 at 30", 'expected "%" or "epochs", found the end'),
        ("1, 2 at 30% 4", "expected \",\" or the end, found '4' at column 13"),
        ("1, 2 at 130%", "a percentage above 0 and at most 100, found '130' at column 9"),
        ("1, 2 at 0 epochs", "above 0"),
        ("1, 2 at 60%, 4 at 30%", "a later point than the one before, found '30' at column 19"),
        ("1 x1 every 10%", "a factor above 1, found '1'"),
        ("1 x2 10%", "expected \"every\", found '10'"),
        ("4 x2 every 10% up to 2", "at least the first size, 4, found '2'"),
        ("1 to 4", 'expected "over"'),
        ("1 to 4 over 50%, 2", "expected the end, found ','"),
        ("1 ; 2", "found ';'"),
    ],
)
def test_a_wrong_line_is_explained(line, problem):
    with pytest.raises(ConfigurationError) as caught:
        parse_schedule(line)
    assert problem in caught.value.message
    assert line.strip() in caught.value.message


LINES = st.sampled_from(["1", "1, 3 at 40%", "1 x2 every 15% up to 9", "1 to 6 over 80%", "7, 2 at 1 epoch"])
EPOCHS = st.lists(st.integers(1, 40), min_size=1, max_size=5).map(tuple)


def plan(line, epochs, workers=1, **state):
    schedule = parse_schedule(line)
    return BatchPlan(epochs, lambda share: schedule.size(share, len(epochs)), workers, **state)


@given(LINES, EPOCHS, st.integers(1, 4))
def test_every_batch_is_used_once_and_no_update_crosses_an_epoch(line, epochs, workers):
    updates = list(plan(line, epochs, workers))
    assert sum(updates) == sum(epochs)
    ends, seen = {sum(epochs[: index + 1]) for index in range(len(epochs))}, 0
    for update in updates:
        assert not any(seen < end < seen + update for end in ends)
        seen += update
        assert update % workers == 0 or seen in ends


@given(LINES, EPOCHS, st.integers(0, 30))
def test_a_plan_resumed_in_the_middle_of_a_ramp_goes_on_as_it_would_have(line, epochs, stop):
    straight = plan(line, epochs)
    whole = list(straight)
    first = plan(line, epochs)
    done = [first.advance() for _ in range(min(stop, len(whole)))]
    again = plan(line, epochs, seen=first.seen, updates=first.updates)
    assert done + list(again) == whole
    assert again.updates == straight.updates == len(whole)


def test_there_must_be_a_worker():
    with pytest.raises(ConfigurationError, match="at least 1 worker"):
        plan("1", (4,), workers=0).advance()
