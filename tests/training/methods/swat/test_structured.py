"""Structured sparse training: smaller matrices compute what the full ones compute with channels at zero."""

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from gateway.errors import ConfigurationError
from gateway.tiers.large.export import export_float
from gateway.tiers.large.network import FieldTagger
from training.methods.swat.groups import ChannelGroup, find_groups
from training.methods.swat.structured import StructuredSwat


def tagger():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return FieldTagger(BertModel(config, add_pooling_layer=False), 2, dropout=0.0)


def batch(seed, rows=4, tokens=9):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 50, (rows, tokens), generator=generator)
    return ids, torch.ones_like(ids)


def loss_of(model, seed):
    ids, mask = batch(seed)
    return functional.cross_entropy(model(ids, mask).flatten(0, 2), (ids % 3)[..., None].expand(-1, -1, 2).flatten())


def update(model, optimizer, swat, seed, parts=1):
    """One update of the loop's kind; returns its loss."""
    swat.before_update()
    total = 0.0
    for part in range(parts):
        loss = loss_of(model, 1000 * part + seed) / parts
        loss.backward()
        swat.after_backward()
        total += float(loss.detach())
    swat.before_step()
    optimizer.step()
    swat.after_step()
    optimizer.zero_grad(set_to_none=True)
    return total


def trained(updates=5, **options):
    model = tagger()
    swat = StructuredSwat(find_groups(model), 0.5, **options)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    swat.start(optimizer)
    losses = [update(model, optimizer, swat, seed) for seed in range(updates)]
    return model, swat, optimizer, losses


def shapes(model):
    layer = model.encoder.encoder.layer[0]
    return (
        tuple(layer.attention.self.query.weight.shape),
        tuple(layer.attention.output.dense.weight.shape),
        tuple(layer.intermediate.dense.weight.shape),
        tuple(layer.output.dense.weight.shape),
    )


def test_the_matrices_are_really_smaller_from_the_first_update_on():
    model, swat, optimizer, _ = trained(1)
    assert shapes(model) == ((16, 32), (32, 16), (32, 32), (32, 32))
    assert set(swat.sizes.values()) == {(2, 4), (32, 64)}
    layer = model.encoder.encoder.layer[0]
    assert layer.attention.self.num_attention_heads == 2
    assert layer.intermediate.dense.out_features == layer.output.dense.in_features == 32
    assert optimizer.state[layer.intermediate.dense.weight]["exp_avg"].shape == (32, 32)


def masked_copy(full, chosen):
    """The full model with every channel and head that is not chosen at zero."""
    model = copy.deepcopy(full)
    for index, layer in enumerate(model.encoder.encoder.layer):
        name = f"encoder.encoder.layer.{index}"
        heads = torch.zeros(4)
        heads[chosen[f"{name}.heads"]] = 1
        channels = torch.zeros(64)
        channels[chosen[f"{name}.channels"]] = 1
        layer.attention.output.dense.weight.data *= heads.repeat_interleave(8)
        layer.output.dense.weight.data *= channels
    return model


def test_the_small_model_computes_what_the_full_one_does_without_the_other_channels():
    full = tagger()
    model = copy.deepcopy(full)
    swat = StructuredSwat(find_groups(model), 0.5)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    swat.start(optimizer)
    update(model, optimizer, swat, 0)
    ids, mask = batch(7)
    expected = masked_copy(full, swat.chosen).eval()(ids, mask)
    assert torch.allclose(model.eval()(ids, mask), expected, atol=1e-5)
    assert not torch.allclose(full.eval()(ids, mask), expected, atol=1e-2)


def test_an_update_that_looks_at_all_channels_trains_as_one_that_does_not():
    """The gates of channels not chosen are at zero, so that the update's gradients are the small model's."""
    looking, swat, optimizer, _ = trained(3, period=3)
    again, other, second, _ = trained(3, period=0)
    assert swat.chosen == other.chosen
    swat.before_update()
    assert shapes(looking)[2] == (64, 32)
    for model, method in ((looking, swat), (again, other)):
        if method is other:
            other.before_update()
        loss_of(model, 50).backward()
        method.after_backward()
        method.before_step()
    assert shapes(looking) == shapes(again)
    for one, two in zip(looking.parameters(), again.parameters(), strict=True):
        assert torch.allclose(one.grad, two.grad, atol=1e-6)
        assert torch.equal(one, two)
    del optimizer, second


def test_the_gate_s_derivative_is_what_a_channel_is_worth():
    """First order: the loss without channel i, minus the loss, is about minus the derivative of its gate."""
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    torch.manual_seed(3)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    inputs, labels = torch.randn(1, 6), torch.tensor([1])
    swat = StructuredSwat([ChannelGroup("hidden", [model[0]], model[2])], 0.5)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    before = functional.cross_entropy(model(inputs), labels)
    worth = []
    for channel in range(8):
        hidden = model[1](model[0](inputs)).detach()
        # A small step of the gate, both ways.
        low, high = hidden.clone(), hidden.clone()
        low[:, channel] *= 1 - 1e-2
        high[:, channel] *= 1 + 1e-2
        difference = functional.cross_entropy(model[2](high), labels) - functional.cross_entropy(model[2](low), labels)
        worth.append(abs(float(difference.detach()) / 2e-2))
    swat.start(optimizer)
    swat.before_update()
    loss = functional.cross_entropy(model(inputs), labels)
    assert torch.allclose(loss, before)
    loss.backward()
    swat.after_backward()
    swat.before_step()
    assert swat.chosen["hidden"] == sorted(np.argsort(worth)[-4:].tolist())


def test_by_magnitude_the_channels_of_large_weights_are_chosen():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    model[0].weight.data[[1, 4, 6]] *= 50
    swat = StructuredSwat([ChannelGroup("hidden", [model[0]], model[2])], 3 / 8, score="magnitude")
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    swat.start(optimizer)
    swat.before_update()
    model(torch.randn(4, 6)).sum().backward()
    swat.after_backward()
    swat.before_step()
    assert swat.chosen["hidden"] == [1, 4, 6]


def test_channels_come_and_go_and_keep_what_they_had():
    """A task that needs other inputs every few updates: channels change, and come back with weights and moments."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 2))
    swat = StructuredSwat([ChannelGroup("hidden", [model[0]], model[2])], 1 / 3, period=5)
    optimizer = torch.optim.AdamW(model.parameters(), 0.05, weight_decay=0.0)
    swat.start(optimizer)
    chosen, kept = [], {}
    for step in range(60):
        before = swat.chosen["hidden"]
        swat.before_update()
        inputs = torch.randn(16, 4)
        model(inputs)[:, (step // 10) % 2].sub(inputs[:, (step // 10) % 4].abs()).square().mean().backward()
        swat.after_backward()
        swat.before_step()
        optimizer.step()
        values = {
            channel: model[0].weight.detach()[place].clone() for place, channel in enumerate(swat.chosen["hidden"])
        }
        swat.after_step()
        optimizer.zero_grad()
        kept.update(values)
        after = swat.chosen["hidden"]
        assert len(after) == 4
        for place, channel in enumerate(after):
            if channel in kept:
                assert torch.equal(model[0].weight.detach()[place], kept[channel])
            moments = optimizer.state[model[0].weight]["exp_avg_sq"][place]
            # A channel never used has no moments, one that was used has those with which it left.
            assert bool(moments.any()) or channel not in kept or not bool(inputs.any())
        if before != after:
            chosen.append(after)
    assert len({tuple(item) for item in chosen}) > 2


def test_after_the_last_choice_nothing_changes():
    model, swat, optimizer, _ = trained(4, period=2, until=3)
    chosen = swat.chosen
    for seed in range(4, 12):
        update(model, optimizer, swat, seed)
        assert swat.chosen == chosen


def test_it_learns_with_half_of_the_channels():
    model, swat, optimizer, losses = trained(3)
    optimizer.param_groups[0]["lr"] = 5e-3
    losses += [update(model, optimizer, swat, seed, parts=2) for seed in range(3, 60)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_training_stopped_and_restored_ends_as_one_that_was_not():
    straight, swat, optimizer, _ = trained(7, period=3)
    kept = copy.deepcopy(
        {
            "swat": swat.state_dict(),
            "parameters": {name: item.detach() for name, item in straight.named_parameters()},
            "optimizer": optimizer.state_dict(),
        }
    )
    for seed in range(7, 15):
        update(straight, optimizer, swat, seed)

    model = tagger()
    other = StructuredSwat(find_groups(model), 0.5, period=3)
    second = torch.optim.AdamW(model.parameters(), 1e-3)
    other.load_state_dict(kept["swat"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(kept["parameters"][name])
    second.load_state_dict(kept["optimizer"])
    other.start(second)
    for seed in range(7, 15):
        update(model, second, other, seed)
    assert other.chosen == swat.chosen
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), model.parameters(), strict=True))


def test_an_update_can_be_undone_back_to_all_channels():
    model, beside = tagger(), tagger()
    swat = StructuredSwat(find_groups(model), 0.5, period=2)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    swat.start(optimizer)
    before = copy.deepcopy(swat.state_dict())
    for seed in range(3):
        update(model, optimizer, swat, seed)
    swat.load_state_dict(before)
    with torch.no_grad():
        for parameter, other in zip(model.parameters(), beside.parameters(), strict=True):
            parameter.copy_(other)
    assert shapes(model) == shapes(beside)
    ids, mask = batch(1)
    assert torch.equal(model.eval()(ids, mask), beside.eval()(ids, mask))
    model.train()
    update(model, optimizer, swat, 0)
    assert shapes(model)[2] == (32, 32)


def test_the_exported_model_is_smaller_and_computes_the_same(tmp_path):
    model, _, _, _ = trained(2)
    export_float(model, tmp_path / "small.onnx")
    weights = sum(int(np.prod(item.dims)) for item in onnx.load(tmp_path / "small.onnx").graph.initializer)
    small, full = (sum(item.numel() for item in network.parameters()) for network in (model, tagger()))
    # Besides weights the file has a few constants.
    assert small <= weights + 1000 < full
    ids, mask = batch(3, rows=2, tokens=11)
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"))
    found = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    assert np.abs(found - model.eval()(ids, mask).detach().numpy()).max() < 1e-4


def test_convolutions_and_their_batch_norm_lose_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3))
    swat = StructuredSwat([ChannelGroup("inner", [model[0]], model[3], norms=(model[1],))], 0.25, period=2)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    swat.start(optimizer)
    for _ in range(5):
        swat.before_update()
        model(torch.randn(3, 2, 8, 8)).square().mean().backward()
        swat.after_backward()
        swat.before_step()
        optimizer.step()
        swat.after_step()
        optimizer.zero_grad()
    assert model[0].weight.shape[0] == model[1].running_mean.shape[0] == model[3].weight.shape[1] == 2
    assert model.eval()(torch.randn(1, 2, 8, 8)).shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: find_groups(nn.Sequential(nn.Linear(2, 2))), "no heads"),
        (lambda: ChannelGroup("x", [nn.Linear(2, 3)], nn.Linear(4, 1)), "do not share"),
        (lambda: ChannelGroup("x", [nn.Linear(2, 4)], nn.Linear(4, 1), unit=3), "do not share"),
        (lambda: ChannelGroup("x", [nn.Conv2d(2, 4, 1)], nn.Conv2d(4, 4, 1, groups=2)), "grouped"),
        (lambda: StructuredSwat([], 0.5, score="luck"), "score"),
        (lambda: StructuredSwat([], 0.5, period=-1), "period"),
    ],
)
def test_what_cannot_be_left_out_is_refused(make, problem):
    with pytest.raises(ConfigurationError, match=problem):
        make()
