"""Where a training runs, and in which precision."""

from __future__ import annotations

import os
from functools import cache

import torch

from gateway.errors import ConfigurationError

#: What ``--device`` may say.
DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """The device of this process; ``auto`` takes a GPU where there is one. Under torchrun each process has its own GPU.

    Raises:
        ConfigurationError: no such device, or ``cuda`` where torch sees none.
    """
    if name not in DEVICES:
        raise ConfigurationError(f"device must be one of {', '.join(DEVICES)}, found {name!r}")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigurationError("--device cuda: torch sees no GPU here; --device cpu trains without one, more slowly")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


@cache
def half_helps(kind: str) -> bool:
    """Whether bfloat16 is faster than float32 on a kind of device: where it has instructions for it.

    Elsewhere a CPU emulates them and is slower. This goes by what the machine can do and not by a measurement, so that
    a resumed training computes as it began.
    """
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device) -> torch.autocast:
    """Forward passes in bfloat16 where that helps, in float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=half_helps(device.type))


def precision(device: torch.device) -> str:
    """The precision's name, for people."""
    return "bfloat16" if half_helps(device.type) else "float32"
