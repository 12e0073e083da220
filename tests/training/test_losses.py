"""Loss functions against what they are defined as."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from gateway.tiers.large.network import FieldTagger, load_encoder
from training.examples import BEGIN, IGNORE, INSIDE, OUTSIDE, Example, collate
from training.losses import HeadInput, hard_loss, occurrence_weights, relation_loss, soft_loss

seeds = st.integers(0, 10_000)


def batch_of(*rows, occurrences=(), soft=None):
    """A batch of examples with one field whose tags are given."""
    examples = []
    for index, tags in enumerate(rows):
        targets = np.array(tags, dtype=np.int64)[:, None]
        groups = {0: list(occurrences[index])} if occurrences and occurrences[index] else {}
        examples.append(Example(np.arange(len(tags)) + 5, targets, groups, soft[index] if soft else None))
    return collate(examples, pad_id=0)


def random_logits(batch, seed, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn((*batch.targets.shape, 3), generator=generator)


TAGS = [IGNORE, BEGIN, INSIDE, OUTSIDE, BEGIN, OUTSIDE, IGNORE]
RIVALS = [(1, 3), (4, 5)]


@given(seeds)
def test_the_most_probable_occurrence_counts_fully_and_rivals_by_their_share(seed):
    batch = batch_of(TAGS, occurrences=[RIVALS])
    logits = random_logits(batch, seed)
    weights = occurrence_weights(logits, batch)[0, :, 0]
    logs = functional.log_softmax(logits[0, :, 0], dim=-1)
    first = math.exp((logs[1, BEGIN] + logs[2, INSIDE]) / 2)
    second = math.exp(logs[4, BEGIN])
    assert weights[1] == weights[2]
    assert max(weights[1], weights[4]) == 1.0
    assert weights[1].item() == pytest.approx(first / max(first, second), rel=1e-4)
    assert weights[4].item() == pytest.approx(second / max(first, second), rel=1e-4)
    # What is no occurrence counts fully.
    assert weights[[0, 3, 5, 6]].tolist() == [1.0] * 4


@given(seeds)
def test_a_single_occurrence_counts_fully(seed):
    batch = batch_of([IGNORE, BEGIN, OUTSIDE, IGNORE], occurrences=[[(1, 2)]])
    assert occurrence_weights(random_logits(batch, seed, 20.0), batch).eq(1).all()


def test_weights_are_no_way_for_gradients():
    batch = batch_of(TAGS, occurrences=[RIVALS])
    logits = random_logits(batch, 0).requires_grad_()
    assert not occurrence_weights(logits, batch).requires_grad


def test_rivals_of_one_document_do_not_compete_with_another_s():
    batch = batch_of(TAGS, TAGS, occurrences=[RIVALS, [(1, 3)]])
    weights = occurrence_weights(random_logits(batch, 1), batch)
    assert weights[1].eq(1).all()
    assert not weights[0].eq(1).all()


@given(seeds)
def test_the_hard_loss_is_cross_entropy_of_annotated_tokens(seed):
    batch = batch_of(TAGS, [IGNORE, OUTSIDE, IGNORE])
    logits = random_logits(batch, seed)
    logs = functional.log_softmax(logits, dim=-1)
    expected = -sum(
        logs[row, token, 0, tag].item()
        for row, tags in enumerate((TAGS, [IGNORE, OUTSIDE, IGNORE]))
        for token, tag in enumerate(tags)
        if tag != IGNORE
    )
    assert hard_loss(logits, batch, None).item() == pytest.approx(expected / 6, rel=1e-4)


def test_weights_scale_the_hard_loss_of_their_token():
    batch = batch_of(TAGS)
    logits = random_logits(batch, 2).requires_grad_()
    weights = torch.ones(batch.targets.shape)
    weights[0, 4] = 0.0
    hard_loss(logits, batch, weights).backward()
    silent = [token for token in range(7) if not logits.grad[0, token].any()]
    assert silent == [0, 4, 6]


def test_nothing_annotated_is_no_loss():
    batch = batch_of([IGNORE] * 4)
    logits = random_logits(batch, 3).requires_grad_()
    loss = hard_loss(logits, batch, None)
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()


def soft_batch(seed, *lengths):
    """A batch and the logits of the teacher that its soft targets come from."""
    generator = torch.Generator().manual_seed(seed)
    teacher = [2 * torch.randn((length, 1, 3), generator=generator) for length in lengths]
    soft = [logits.softmax(-1).numpy() for logits in teacher]
    return batch_of(*([IGNORE] * length for length in lengths), soft=soft), teacher


@given(seeds, st.sampled_from([1.0, 2.0, 4.0]))
def test_a_student_that_equals_its_teacher_has_no_soft_loss(seed, temperature):
    batch, teacher = soft_batch(seed, 6)
    assert soft_loss(teacher[0][None], batch, temperature).item() == pytest.approx(0.0, abs=1e-5)
    # Probabilities do not change when all logits do.
    assert soft_loss(teacher[0][None] + 5.0, batch, temperature).item() == pytest.approx(0.0, abs=1e-5)
    assert soft_loss(torch.zeros_like(teacher[0][None]), batch, temperature).item() > 0.01


@given(seeds, st.sampled_from([1.0, 2.0, 4.0]))
def test_the_soft_loss_is_divergence_at_the_temperature_times_its_square(seed, temperature):
    batch, teacher = soft_batch(seed, 5, 3)
    logits = random_logits(batch, seed + 1)
    total = 0.0
    for row, own in enumerate(teacher):
        p = (own / temperature).softmax(-1)
        q = functional.log_softmax(logits[row, : len(own)] / temperature, dim=-1)
        total += (p * (p.log() - q)).sum(-1)[1:-1].sum().item()
    # Three and one tokens stand between the special ones.
    assert soft_loss(logits, batch, temperature).item() == pytest.approx(temperature**2 * total / 4, rel=1e-3)


def test_only_tokens_with_soft_targets_learn_from_the_teacher():
    batch, _ = soft_batch(0, 6, 4)
    logits = random_logits(batch, 1).requires_grad_()
    soft_loss(logits, batch, 2.0).backward()
    learning = logits.grad.flatten(2).any(-1).tolist()
    assert learning == [[False, True, True, True, True, False], [False, True, True, False, False, False]]


def test_without_a_teacher_there_is_no_soft_loss():
    batch = batch_of(TAGS)
    logits = random_logits(batch, 1).requires_grad_()
    loss = soft_loss(logits, batch, 2.0)
    loss.backward()
    assert loss.item() == 0.0


def test_a_teacher_that_is_certain_gives_a_finite_loss():
    certain = np.zeros((4, 1, 3), dtype=np.float32)
    certain[..., 0] = 1.0
    batch = batch_of([IGNORE] * 4, soft=[certain])
    assert math.isfinite(soft_loss(random_logits(batch, 1, 50.0), batch, 2.0).item())


def states_of(seed, rows=2, tokens=6, width=8):
    return torch.randn((rows, tokens, width), generator=torch.Generator().manual_seed(seed))


ALL = torch.ones((2, 6), dtype=torch.bool)


def rotation(width, seed=0):
    return torch.linalg.qr(states_of(seed, 1, width, width)[0]).Q


@given(seeds, st.floats(0.1, 10.0))
def test_relations_are_the_same_in_any_rotation_scale_and_width(seed, scale):
    teacher = states_of(seed)
    wide = torch.cat([teacher, torch.zeros(2, 6, 5)], dim=-1)
    for student in (scale * teacher @ rotation(8), wide @ rotation(13), teacher + states_of(seed + 1)[:, :1]):
        assert relation_loss(student, teacher, ALL).item() == pytest.approx(0.0, abs=1e-4)
    assert relation_loss(states_of(seed + 1), teacher, ALL).item() > 0.01


def test_the_relation_loss_is_divergence_over_a_token_s_neighbours():
    student, teacher = states_of(0, rows=1, tokens=4, width=3), states_of(1, rows=1, tokens=4, width=5)
    total = 0.0
    for token in range(4):
        others = [index for index in range(4) if index != token]
        logs = []
        for states in (teacher[0], student[0]):
            centred = states - states.mean(0)
            cosines = torch.stack(
                [functional.cosine_similarity(centred[token], centred[other], dim=0) for other in others]
            )
            logs.append(functional.log_softmax(cosines / 0.5, dim=0))
        total += (logs[0].exp() * (logs[0] - logs[1])).sum().item()
    assert relation_loss(student, teacher, ALL[:1, :4], 0.5).item() == pytest.approx(total / 4, rel=1e-4)


def test_tokens_without_states_take_no_part():
    mask = torch.tensor([[False, True, True, True, False, False], [True] * 6])
    student, teacher = states_of(0).requires_grad_(), states_of(1)
    loss = relation_loss(student, teacher, mask)
    loss.backward()
    assert student.grad.any(-1).tolist() == mask.tolist()
    changed = teacher.masked_fill(~mask.unsqueeze(-1), 100.0)
    assert relation_loss(student, changed, mask).item() == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("mask", [torch.zeros((2, 6), dtype=torch.bool), ALL & torch.eye(6, dtype=torch.bool)[:2]])
def test_a_token_alone_has_no_relations(mask):
    student = states_of(0).requires_grad_()
    loss = relation_loss(student, states_of(1), mask)
    loss.backward()
    assert loss.item() == 0.0
    assert not student.grad.any()


def test_states_that_are_all_alike_give_a_finite_loss():
    student = torch.ones(2, 6, 8).requires_grad_()
    loss = relation_loss(student, states_of(1), ALL)
    loss.backward()
    assert math.isfinite(loss.item())
    assert student.grad.isfinite().all()


def test_the_head_s_input_is_kept_with_its_graph(tiny_base):
    torch.manual_seed(0)
    model = FieldTagger(load_encoder(tiny_base), 2, dropout=0.0)
    ids = torch.randint(5, 60, (2, 6))
    with HeadInput(model) as read:
        with pytest.raises(RuntimeError, match="no forward pass"):
            _ = read.hidden
        logits = model(ids, torch.ones_like(ids))
        assert torch.equal(model.head(read.hidden).unflatten(-1, (2, 3)), logits)
        relation_loss(read.hidden, states_of(1), ALL).backward()
    assert model.encoder.embeddings.word_embeddings.weight.grad.any()
    assert not model.head._forward_pre_hooks


def test_a_student_that_learns_relations_comes_to_have_them():
    """A linear student narrower than its teacher, whose relations it is taught and nothing else."""
    inputs, teacher = states_of(0, 4, 10, 6), states_of(0, 4, 10, 6) @ states_of(2, 1, 6, 6)[0]
    mask = torch.ones((4, 10), dtype=torch.bool)
    torch.manual_seed(0)
    student = torch.nn.Linear(6, 4)
    optimizer = torch.optim.Adam(student.parameters(), 0.05)
    losses = []
    for _ in range(80):
        loss = relation_loss(student(inputs), teacher, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
