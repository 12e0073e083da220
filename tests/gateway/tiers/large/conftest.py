from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.bases import Base
from gateway.evaluation.dataset import file_digest
from tests.gateway.tiers.tiny import TASK, VOCABULARY, write_tokenizer

RANK, ALPHA = 3, 12


@pytest.fixture(autouse=True)
def one_thread():
    torch = pytest.importorskip("torch", reason="needs the extra `large`")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def write_adapter(tmp_path: Path, tiny_base: Path) -> Callable[..., Path]:
    """Writes an adapter's directory from tensors, as ``gateway.tiers.large.adapter`` describes it."""
    from safetensors.torch import save_file

    def write(tensors: dict[str, Any], **changes: Any) -> Path:
        directory = tmp_path / "large"
        directory.mkdir(exist_ok=True)
        save_file(tensors, directory / "adapter.safetensors")
        write_tokenizer(directory / "tokenizer.json")
        config = {
            "kind": "adapter",
            "base": "tiny",
            "base_sha256": file_digest(tiny_base / "model.safetensors"),
            "rank": RANK,
            "alpha": ALPHA,
            "fields": list(TASK.fields),
            "window": 64,
            "stride": 16,
            "pad_id": VOCABULARY["[PAD]"],
            "digests": {name: file_digest(directory / name) for name in ("adapter.safetensors", "tokenizer.json")},
            **changes,
        }
        (directory / "config.json").write_text(json.dumps(config), "utf-8")
        return directory

    return write


@pytest.fixture
def random_adapter() -> dict[str, Any]:
    """Tensors of an adapter that changes every query layer and answers at random."""
    import torch

    generator = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    tensors = {"head.weight": normal(6, 32), "head.bias": normal(6)}
    for layer in range(2):
        name = f"encoder.layer.{layer}.attention.self.query"
        tensors |= {f"{name}.lora_A": normal(RANK, 32), f"{name}.lora_B": normal(32, RANK)}
    return tensors


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Base:
    """The tiny base as the catalogue names it, fetched into ``tmp_path / "cache"``."""
    target = tmp_path / "cache" / "bases" / "tiny"
    target.mkdir(parents=True)
    files = {}
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        content = (tiny_base / name).read_bytes()
        (target / name).write_bytes(content)
        files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return Base.model_validate({"name": "tiny", "licence": "Apache-2.0", "files": files})
