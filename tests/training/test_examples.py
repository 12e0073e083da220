"""Training windows: tags, rivals, soft targets, batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.encoding import Encoding, TextEncoder
from training.examples import (
    BEGIN,
    IGNORE,
    INSIDE,
    OUTSIDE,
    Example,
    batches_by_tokens,
    collate,
    make_examples,
    token_range,
)

FIELDS = ["shop", "total"]
TEXT = "kedai melur\ntotal rm 9.00"
#       0     6    11 12   18 21


def tags(encoder, text, spans):
    (example,) = make_examples(encoder, encoder.encode(text), spans, FIELDS)
    return {name: example.targets[:, index].tolist() for index, name in enumerate(FIELDS)}


def test_spans_become_begin_and_inside_of_their_own_field(encoder):
    found = tags(encoder, TEXT, {"shop": [(0, 11)], "total": [(18, 25)]})
    # [CLS] kedai melur | total rm 9 . 0 ##0 [SEP]: the special tokens teach nothing.
    assert found["shop"] == [IGNORE, BEGIN, INSIDE, *[OUTSIDE] * 7, IGNORE]
    assert found["total"] == [IGNORE, *[OUTSIDE] * 4, BEGIN, INSIDE, INSIDE, INSIDE, INSIDE, IGNORE]


def test_a_field_that_is_not_annotated_teaches_nothing_and_an_absent_one_does(encoder):
    found = tags(encoder, TEXT, {"shop": []})
    assert found["shop"] == [IGNORE, *[OUTSIDE] * 9, IGNORE]
    assert set(found["total"]) == {IGNORE}


def test_a_span_within_a_token_takes_the_token(encoder):
    assert tags(encoder, "melur tea", {"shop": [(1, 3)]})["shop"] == [IGNORE, BEGIN, OUTSIDE, IGNORE]


def test_a_span_without_a_token_marks_nothing(encoder):
    assert tags(encoder, "tea   tea", {"shop": [(4, 5)]})["shop"] == [IGNORE, OUTSIDE, OUTSIDE, IGNORE]


def test_every_occurrence_is_marked_and_kept_as_a_rival(encoder):
    (example,) = make_examples(encoder, encoder.encode("9 tea 9"), {"total": [(0, 1), (6, 7)]}, FIELDS)
    assert example.occurrences == {1: [(1, 2), (3, 4)]}
    assert example.targets[:, 1].tolist() == [IGNORE, BEGIN, OUTSIDE, BEGIN, IGNORE]


@given(st.integers(0, 60), st.data())
def test_tokens_of_a_span_are_those_that_overlap_it(size, data):
    widths = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=size, max_size=size))
    offsets, position = [], 0
    for gap, width in widths:
        offsets.append((position + gap, position + gap + width))
        position += gap + width
    table = np.array(offsets, dtype=np.int32).reshape(-1, 2)
    start = data.draw(st.integers(0, position))
    end = data.draw(st.integers(start + 1, position + 2))
    expected = [index for index, (first, last) in enumerate(offsets) if first < end and last > start]
    found = token_range(table, start, end)
    assert (list(range(*found)) if found else []) == expected


def numbered(length):
    positions = np.arange(length)
    return Encoding(positions + 5, np.stack([positions, positions + 1], axis=1).astype(np.int32))


@given(st.integers(1, 60), st.integers(0, 4), st.data())
def test_windows_of_a_long_text_agree_with_the_text(tokenizer, length, context, data):
    start = data.draw(st.integers(0, length - 1))
    end = data.draw(st.integers(start + 1, min(length, start + 12)))
    encoder = TextEncoder(tokenizer, window=14, stride=4, context_tokens=4)
    encoding = replace(numbered(length), context=np.arange(context))
    lead = context + 2 if context else 1
    soft = np.random.default_rng(0).random((length, 2, 3)).astype(np.float32)
    examples = make_examples(encoder, encoding, {"total": [(start, end)]}, FIELDS, soft)
    whole = np.full(length, OUTSIDE)
    whole[start:end] = INSIDE
    whole[start] = BEGIN
    for window, example in zip(encoder.windows(encoding), examples, strict=True):
        assert example.ids.tolist() == window.ids.tolist()
        assert example.lead == lead
        assert (example.targets[:lead] == IGNORE).all()
        assert not example.soft[:lead].any()
        assert np.array_equal(example.soft[lead:-1], soft[window.start : window.end])
        inside = example.targets[lead:-1, 1]
        part = whole[window.start : window.end]
        if window.start <= start and end <= window.end:
            assert inside.tolist() == part.tolist()
            assert example.occurrences == {1: [(start - window.start + lead, end - window.start + lead)]}
        else:
            # Where the window cuts the value nothing is taught about the value's tokens.
            assert np.array_equal(inside == IGNORE, part != OUTSIDE)
            assert set(inside.tolist()) <= {IGNORE, OUTSIDE}
            assert example.occurrences == {}


def test_no_text_is_an_example_that_teaches_nothing(encoder):
    (example,) = make_examples(encoder, encoder.encode(""), {"total": []}, FIELDS)
    assert (example.targets == IGNORE).all()


def example(length, soft=False):
    ids = np.arange(5, 5 + length)
    return Example(
        ids, np.ones((length, 2), dtype=np.int64), {}, np.full((length, 2, 3), 0.5, dtype=np.float32) if soft else None
    )


def test_a_batch_is_padded_and_padding_teaches_nothing():
    batch = collate([example(3), example(5, soft=True)], pad_id=0)
    assert batch.input_ids.tolist() == [[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert (batch.targets[0, 3:] == IGNORE).all()
    assert (batch.targets[0, :3] == 1).all()
    # Special tokens and documents the teacher was not asked about have no soft target.
    assert batch.soft_mask.tolist() == [[False] * 5, [False, True, True, True, False]]
    assert batch.soft.shape == (2, 5, 2, 3)
    assert torch.equal(batch.soft[1], torch.full((5, 2, 3), 0.5))


def test_a_batch_without_a_teacher_has_no_soft_targets():
    batch = collate([example(3)], pad_id=0)
    assert batch.soft is None
    assert batch.soft_mask is None


lengths_and_budget = st.tuples(st.lists(st.integers(2, 40), max_size=300), st.integers(1, 400))


@given(lengths_and_budget, st.integers(0, 5), st.integers(1, 64))
def test_every_example_is_in_one_batch_and_batches_keep_to_the_budget(lengths_and_budget, seed, pool):
    lengths, budget = lengths_and_budget
    batches = list(batches_by_tokens(lengths, budget, np.random.default_rng(seed), pool=pool))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        # An example larger than the budget goes alone.
        assert padded <= budget or len(batch) == 1
    assert batches == list(batches_by_tokens(lengths, budget, np.random.default_rng(seed), pool=pool))


def test_batches_hold_similar_lengths_and_are_shuffled():
    lengths = np.random.default_rng(0).integers(2, 400, 640).tolist()
    batches = list(batches_by_tokens(lengths, 1600, np.random.default_rng(1)))
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    assert padded < 1.15 * sum(lengths)
    means = [np.mean([lengths[index] for index in batch]) for batch in batches]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.5
    other = list(batches_by_tokens(lengths, 1600, np.random.default_rng(2)))
    assert {frozenset(batch) for batch in batches}.isdisjoint({frozenset(batch) for batch in other if len(batch) > 1})


@pytest.mark.parametrize("lengths", [[], [7]])
def test_few_examples(lengths):
    assert list(batches_by_tokens(lengths, 5, np.random.default_rng(0))) == [[index] for index in range(len(lengths))]


def test_a_batch_has_no_more_examples_than_its_pool():
    lengths = [10] * 2000
    sizes = {
        pool: max(len(batch) for batch in batches_by_tokens(lengths, 3840, np.random.default_rng(0), pool=pool))
        for pool in (64, 1024)
    }
    assert sizes == {64: 64, 1024: 384}
