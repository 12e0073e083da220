from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from gateway.tiers.encoding import TextEncoder
from tests.gateway.tiers.tiny import write_base, write_tokenizer
from tests.training.bills import Bills, train_bills


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of one thread are always made in the same order; and tests leave cores to others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture(scope="session")
def encoder(tokenizer: Path) -> TextEncoder:
    return TextEncoder(tokenizer)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random BERT of two layers."""
    return write_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Bills:
    """A home whose models were trained by the command; tests leave it as it is."""
    before = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's use of transformers
        made = train_bills(tmp_path_factory.mktemp("bills"))
    torch.set_num_threads(before)
    assert made.result.exit_code == 0, made.result.output
    return made
