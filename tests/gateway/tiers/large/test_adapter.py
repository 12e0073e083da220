"""Merging a low-rank adapter into its base."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from gateway.errors import ModelCorrupt
from gateway.tiers.large.adapter import load_merged
from gateway.tiers.large.network import FieldTagger, load_encoder
from tests.gateway.tiers.large.conftest import ALPHA, RANK

LAYERS = (
    "attention.self.query",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
IDS = torch.arange(5, 45).reshape(2, 20)
MASK = torch.ones_like(IDS)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_it_merges_as_peft_does(tiny_base, write_adapter):
    torch.manual_seed(3)
    targets = rf"encoder\.layer\.\d\.({'|'.join(LAYERS)})"
    adapted = get_peft_model(load_encoder(tiny_base), LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_B" in name:  # peft starts them at zero, where every merge is right
                parameter.normal_(std=0.1)
    network = FieldTagger(adapted, 2).eval()
    tensors = {"head.weight": network.head.weight.detach(), "head.bias": network.head.bias.detach()}
    for name, parameter in adapted.named_parameters():
        if ".lora_" in name:
            key = name.removeprefix("base_model.model.").removesuffix(".default.weight")
            tensors[key] = parameter.detach().contiguous()
    assert len(tensors) == 2 + 2 * 2 * len(LAYERS)

    merged = load_merged(write_adapter(tensors), tiny_base)
    assert not merged.training
    with torch.inference_mode():
        beside = network(IDS, MASK)
        theirs = FieldTagger(adapted.merge_and_unload(), 2)
        theirs.head = network.head
        inside = theirs.eval()(IDS, MASK)
        ours = merged(IDS, MASK)
        plain = load_merged(write_adapter({k: v for k, v in tensors.items() if k.startswith("head.")}), tiny_base)
        assert (plain(IDS, MASK) - ours).abs().max() > 0.01  # the adapter does something
    assert torch.allclose(ours, inside, atol=1e-5)
    assert torch.allclose(ours, beside, atol=1e-5)
    for name, weight in merged.encoder.state_dict().items():
        assert torch.allclose(weight, theirs.encoder.state_dict()[name], atol=1e-6), name


def test_tensors_may_be_half_precision(tiny_base, write_adapter, random_adapter):
    full = load_merged(write_adapter(random_adapter), tiny_base)
    half = load_merged(write_adapter({name: tensor.half() for name, tensor in random_adapter.items()}), tiny_base)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert torch.allclose(full(IDS, MASK), half(IDS, MASK), atol=0.05)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        ("encoder.layer.9.attention.self.query", "the base has no linear layer"),
        ("encoder.layer.0.attention", "the base has no linear layer"),
        ("encoder.layer.0.intermediate.dense", "has another shape in the base"),
    ],
)
def test_an_adapter_that_does_not_fit_its_base_is_corrupt(tiny_base, write_adapter, random_adapter, layer, problem):
    tensors = {**random_adapter, f"{layer}.lora_A": torch.ones(RANK, 32), f"{layer}.lora_B": torch.ones(32, RANK)}
    with pytest.raises(ModelCorrupt, match=problem):
        load_merged(write_adapter(tensors), tiny_base)
