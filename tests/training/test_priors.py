"""The head's first answer is how frequent tags are."""

import numpy as np
import torch
from torch import nn

from training.examples import BEGIN, IGNORE, INSIDE, OUTSIDE, Example
from training.priors import set_priors


def example(*columns: list[int]) -> Example:
    targets = np.array(columns, dtype=np.int64).T
    return Example(np.zeros(len(targets), np.int64), targets, {}, None, 1)


def test_without_evidence_each_field_answers_with_its_frequencies() -> None:
    head = nn.Linear(4, 6)
    first = [IGNORE, OUTSIDE, OUTSIDE, BEGIN, INSIDE, OUTSIDE, OUTSIDE, IGNORE]
    second = [IGNORE, OUTSIDE, IGNORE, OUTSIDE, BEGIN, IGNORE, IGNORE, IGNORE]
    set_priors(head, [example(first, second), example(first, second)])
    shares = head(torch.zeros(4)).unflatten(-1, (2, 3)).softmax(-1)
    assert torch.allclose(shares[0], torch.tensor([8 / 12, 2 / 12, 2 / 12]))
    # A tag that never occurs stays possible.
    assert torch.allclose(shares[1], torch.tensor([4 / 7, 2 / 7, 1 / 7]))


def test_a_field_that_nobody_annotated_begins_undecided() -> None:
    head = nn.Linear(4, 6)
    set_priors(head, [example([OUTSIDE] * 5, [IGNORE] * 5)])
    shares = head(torch.zeros(4)).unflatten(-1, (2, 3)).softmax(-1)
    assert torch.allclose(shares[1], torch.full((3,), 1 / 3))
    set_priors(head, [])
    assert torch.equal(head.bias, torch.zeros(6))
