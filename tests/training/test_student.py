"""The student's network."""

from dataclasses import replace

import torch

from gateway.tiers.large.network import load_encoder
from training.recipe import StudentRecipe
from training.student import build

RECIPE = StudentRecipe(base="tiny", layers=1)


def test_it_is_the_first_layers_of_its_base(tiny_base):
    network = build(RECIPE, tiny_base, fields=3)
    base = load_encoder(tiny_base).state_dict()
    kept = network.encoder.state_dict()
    assert all(torch.equal(weight, base[name]) for name, weight in kept.items())
    assert {name for name in base if ".layer.1." in name} == set(base) - set(kept)
    assert network.head.out_features == 9


def test_all_of_it_is_trained_without_dropout_inside(tiny_base):
    network = build(RECIPE, tiny_base, fields=1)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert {module.p for module in network.encoder.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}


def test_the_seed_draws_the_head(tiny_base):
    heads = [
        build(replace(RECIPE, loop=replace(RECIPE.loop, seed=seed)), tiny_base, fields=1).head.weight
        for seed in (0, 0, 1)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
