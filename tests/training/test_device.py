"""Where a training runs."""

import pytest
import torch

from gateway.errors import ConfigurationError
from training.device import autocast, choose_device, half_helps, precision


def test_auto_takes_a_gpu_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda", 0)
    assert choose_device("cpu") == torch.device("cpu")
    # Each process that torchrun starts has its own.
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("cuda") == torch.device("cuda", 1)


def test_what_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="sees no GPU"):
        choose_device("cuda")
    with pytest.raises(ConfigurationError, match="auto, cpu, cuda"):
        choose_device("tpu")


@pytest.mark.parametrize("native", [False, True])
def test_a_cpu_computes_in_bfloat16_where_it_has_instructions_for_it(native, monkeypatch):
    half_helps.cache_clear()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    layer, values = torch.nn.Linear(4, 4), torch.ones(2, 4)
    device = torch.device("cpu")
    try:
        with autocast(device):
            assert layer(values).dtype == (torch.bfloat16 if native else torch.float32)
        assert precision(device) == ("bfloat16" if native else "float32")
    finally:
        half_helps.cache_clear()
