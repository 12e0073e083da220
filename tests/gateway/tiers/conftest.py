from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.tiers.tiny import write_base, write_student, write_tokenizer


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return write_tokenizer(tmp_path / "tokenizer.json")


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A directory with a student that marks amounts behind ``RM`` and the words KEDAI MELUR."""
    pytest.importorskip("onnx", reason="needs the extra `large` to write a model")
    return write_student(tmp_path / "student")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random BERT of two layers."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason="needs the extra `large`")
    return write_base(tmp_path_factory.mktemp("bases") / "tiny")
