"""The large tier's network: what is trained of it, and what is kept."""

import json

import pytest
import torch
from safetensors.torch import load_file

from gateway.tiers.large.adapter import load_merged
from gateway.tiers.student import TaggerConfig
from tests.gateway.tiers.tiny import VOCABULARY, write_tokenizer
from training.large import build, save_adapter, special_tokens
from training.recipe import LargeRecipe, Recipe

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
RECIPE = LargeRecipe(base="tiny", rank=4, alpha=8)
IDS = torch.arange(5, 45).reshape(2, 20)
MASK = torch.ones_like(IDS)


@pytest.fixture
def network(tiny_base):
    """A network whose adapters do something, as after training."""
    network = build(RECIPE, tiny_base, fields=2)
    torch.manual_seed(4)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_B" in name:
                parameter.normal_(std=0.2)
    return network


def save(network, directory, tokenizer):
    save_adapter(
        network, Recipe(large=RECIPE, window=64, stride=16), ["shop", "total"], 0, tokenizer, "f" * 64, directory
    )


def test_only_adapters_and_head_are_trained_and_the_rest_takes_half_the_memory(network):
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert all(".lora_" in name or name.startswith("head.") for name in trained)
    # Six linear layers in each of two layers, two matrices each, and the head.
    assert len(trained) == 6 * 2 * 2 + 2
    for name, parameter in network.named_parameters():
        assert parameter.dtype == (torch.float32 if name in trained else torch.bfloat16), name
    assert {module.p for module in network.encoder.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}


def test_a_seed_fixes_the_start(tiny_base):
    first, second = (build(RECIPE, tiny_base, fields=2).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_fresh_adapter_changes_nothing(tiny_base, tmp_path, tokenizer):
    network = build(RECIPE, tiny_base, fields=2)
    save(network, tmp_path / "large", tokenizer)
    merged = load_merged(tmp_path / "large", tiny_base).encoder.state_dict()
    for name, weight in build(RECIPE, tiny_base, fields=2).encoder.get_base_model().state_dict().items():
        if "lora_" not in name:
            assert torch.allclose(merged[name.replace(".base_layer", "")], weight.float(), rtol=0.01), name


def test_what_is_kept_is_served_as_it_was_trained(network, tiny_base, tmp_path, tokenizer):
    save(network, tmp_path / "large", tokenizer)
    merged = load_merged(tmp_path / "large", tiny_base)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        trained = network.eval()(IDS, MASK).float()
    with torch.inference_mode():
        served = merged(IDS, MASK)
        plain = network.encoder.disable_adapter
        with plain(), torch.autocast("cpu", torch.bfloat16):
            unadapted = network(IDS, MASK).float()
    assert torch.allclose(served, trained, atol=0.05)
    assert not torch.allclose(served, unadapted, atol=0.2)
    assert torch.equal(merged.head.weight, network.head.weight)


def test_merging_is_peft_s_own(network, tiny_base, tmp_path, tokenizer):
    save(network, tmp_path / "large", tokenizer)
    ours = load_merged(tmp_path / "large", tiny_base).encoder.state_dict()
    theirs = network.encoder.float().merge_and_unload().state_dict()
    assert set(ours) == set(theirs)
    for name, weight in theirs.items():
        # The network's base was kept in bfloat16 (8 bits of mantissa), the file's in float32.
        assert torch.allclose(ours[name], weight, rtol=2**-7, atol=5e-4), name


def test_the_directory_says_what_is_in_it(network, tmp_path, tokenizer):
    directory = tmp_path / "large"
    save(network, directory, tokenizer)
    assert sorted(path.name for path in directory.iterdir()) == ["adapter.safetensors", "config.json", "tokenizer.json"]
    config = TaggerConfig.load(directory)
    config.verify(directory)
    assert (config.fields, config.window, config.stride, config.pad_id) == (("shop", "total"), 64, 16, 0)
    raw = json.loads((directory / "config.json").read_text("utf-8"))
    assert (raw["base"], raw["base_sha256"], raw["rank"], raw["alpha"]) == ("tiny", "f" * 64, 4, 8)
    tensors = load_file(directory / "adapter.safetensors")
    assert {tensor.dtype for name, tensor in tensors.items() if ".lora_" in name} == {torch.float16}
    assert tensors["head.weight"].dtype == torch.float32
    assert "encoder.layer.1.output.dense.lora_B" in tensors


def test_special_tokens_are_found_under_either_name(tokenizer, tmp_path):
    found = special_tokens(tokenizer)
    assert (found.pad, found.mask) == (VOCABULARY["[PAD]"], VOCABULARY["[MASK]"])
    assert set(found.special) == {VOCABULARY[token] for token in ("[PAD]", "[CLS]", "[SEP]", "|")}
    renamed = tmp_path / "tokenizer.json"
    renamed.write_text(tokenizer.read_text("utf-8").replace("[PAD]", "<pad>").replace("[MASK]", "<mask>"), "utf-8")
    assert special_tokens(renamed) == found


def test_a_tokenizer_without_a_mask_is_refused(tmp_path):
    path = write_tokenizer(tmp_path / "tokenizer.json")
    path.write_text(path.read_text("utf-8").replace("[MASK]", "[OTHER]"), "utf-8")
    with pytest.raises(ValueError, match="has none of"):
        special_tokens(path)
