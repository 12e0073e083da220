"""The convolutional encoder: padding changes nothing, and its normalisation is torch's own over what is no padding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training.families.convolution import ConvEncoder, ConvLayer, MaskedBatchNorm, principal_components
from training.methods.ghost_norm.norm import apply_ghost_norm, remove_ghost_norm

lengths = st.lists(st.integers(1, 30), min_size=1, max_size=6)


def batch_of(sizes, pad_to=None, seed=0):
    """Token ids and mask; padding holds a token like any other."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(0, 50, (size,), generator=generator) for size in sizes]
    ids = torch.full((len(sizes), pad_to or max(sizes)), 7)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    return ids, mask


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return ConvEncoder(torch.randn(50, 12), layers=5)


def hidden(encoder, ids, mask):
    with torch.no_grad():
        return encoder(input_ids=ids, attention_mask=mask)[0]


@given(lengths, st.integers(0, 40), st.booleans())
def test_padding_changes_nothing(sizes, more, training):
    torch.manual_seed(0)
    encoder = ConvEncoder(torch.randn(50, 12), layers=5).train(training and sum(sizes) > 1)
    ids, mask = batch_of(sizes)
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    plain = hidden(encoder, ids, mask)
    after = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    encoder.load_state_dict(before, strict=False)
    padded = hidden(encoder, *batch_of(sizes, pad_to=max(sizes) + more))
    assert torch.allclose(padded[:, : plain.shape[1]], plain, atol=1e-5)
    assert not padded[:, plain.shape[1] :].any()
    for name, buffer in encoder.named_buffers():
        assert torch.allclose(buffer, after[name], atol=1e-6), name


@given(lengths.filter(lambda sizes: len(sizes) > 1))
def test_a_text_reads_the_same_in_any_company(sizes):
    torch.manual_seed(0)
    encoder = ConvEncoder(torch.randn(50, 12), layers=5).eval()
    ids, mask = batch_of(sizes)
    together = hidden(encoder, ids, mask)
    for row, size in enumerate(sizes):
        alone = hidden(encoder, ids[row : row + 1, :size], mask[row : row + 1, :size])
        assert torch.allclose(together[row, :size], alone[0], atol=1e-5)


def norms(channels=4):
    torch.manual_seed(1)
    masked, plain = MaskedBatchNorm(channels), nn.BatchNorm1d(channels)
    with torch.no_grad():
        plain.weight.normal_()
        plain.bias.normal_()
    masked.norm.load_state_dict(plain.state_dict())
    return masked, plain


@given(lengths.filter(lambda sizes: sum(sizes) > 1))
def test_normalisation_is_torch_s_own_over_the_tokens_that_are_there(sizes):
    masked, plain = norms()
    _, mask = batch_of(sizes)
    real = mask.bool()
    values = torch.randn((*real.shape, 4), generator=torch.Generator().manual_seed(2)) * 3 + 1
    assert torch.allclose(masked(values, real)[real], plain(values[real]), atol=1e-5)
    for name, buffer in plain.named_buffers():
        assert torch.equal(getattr(masked.norm, name), buffer), name
    masked.eval()
    plain.eval()
    assert torch.allclose(masked(values, real)[real], plain(values[real]), atol=1e-5)


def test_ghosts_are_examples_with_all_their_tokens():
    masked, plain = norms()
    apply_ghost_norm(masked, 2)
    real = batch_of([3, 9, 5, 2, 4])[1].bool()
    values = torch.randn((*real.shape, 4), generator=torch.Generator().manual_seed(2)) * 3 + 1
    found = masked(values, real)
    plain.momentum /= 3
    # Five examples are three ghosts of at most two.
    for part in ([0, 1], [2, 3], [4]):
        own = real[part]
        assert torch.allclose(found[part][own], plain(values[part][own]), atol=1e-5)
    assert torch.allclose(masked.norm.running_mean, plain.running_mean, atol=1e-6)
    assert torch.allclose(masked.norm.running_var, plain.running_var, atol=1e-6)
    assert masked.norm.num_batches_tracked == 1


def test_a_whole_encoder_takes_ghosts_and_gives_them_back(encoder):
    ids, mask = batch_of([8, 5, 7, 6])
    encoder.eval()
    before = hidden(encoder, ids, mask)
    assert apply_ghost_norm(encoder, 2) == 6
    assert torch.equal(hidden(encoder, ids, mask), before)
    encoder.train()
    assert not torch.allclose(hidden(encoder, ids, mask), before)
    remove_ghost_norm(encoder)
    assert {type(module.norm) for module in encoder.modules() if isinstance(module, MaskedBatchNorm)} == {
        nn.BatchNorm1d
    }


def test_gradients_reach_everything_and_nothing_comes_from_padding(encoder):
    ids, mask = batch_of([6, 3])
    encoder(input_ids=ids, attention_mask=mask)[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    table = encoder.embeddings.weight.grad
    seen = set(ids[mask.bool()].tolist())
    assert {number for number in range(50) if table[number].any()} == seen


def test_a_layer_is_a_dilated_convolution():
    torch.manual_seed(0)
    layer = ConvLayer(6, dilation=3).eval()
    values = torch.randn(2, 11, 6)
    convolution = nn.Conv1d(6, 6, 3, dilation=3, padding=3, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(layer.mix.weight.unflatten(1, (3, 6)).transpose(1, 2))
        expected = values + convolution(values.transpose(1, 2)).transpose(1, 2).relu() / (1 + 1e-5) ** 0.5
        assert torch.allclose(layer(values, torch.ones(2, 11, dtype=torch.bool)), expected, atol=1e-5)


def test_principal_components_keep_distances_as_well_as_can_be():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn((40, 3), generator=generator) @ torch.randn((3, 10), generator=generator) + 4
    found = principal_components(table, 3)
    assert found.square().mean().item() == pytest.approx(1.0, rel=1e-4)
    ratio = torch.pdist(found) / torch.pdist(table)
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-3)
    assert torch.allclose(principal_components(table, 1)[:, 0].abs(), found[:, 0].abs() * ratio_of(table), rtol=1e-3)


def ratio_of(table):
    """One component alone is scaled by itself: how much more than beside the two others."""
    one, three = principal_components(table, 1)[:, 0], principal_components(table, 3)[:, 0]
    return float(one.abs().sum() / three.abs().sum())
