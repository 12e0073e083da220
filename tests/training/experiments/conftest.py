from __future__ import annotations

import pytest

from tests.training.bills import write_data, write_home
from tests.training.experiments.toy import tiny
from training.experiments.material import load_material
from training.experiments.plateau import SEEN
from training.experiments.running import Bench


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    directory = tmp_path_factory.mktemp("experiments")
    made = write_home(directory / "home", directory / "cache")
    write_data(directory / "bills.jsonl", 120, 0)
    return made


@pytest.fixture(scope="session")
def data(home):
    return home.path.parent / "bills.jsonl"


@pytest.fixture
def cache(home, monkeypatch):
    monkeypatch.setenv("CASCADE_CACHE", str(home.path.parent / "cache"))


@pytest.fixture
def material(home, data, cache, tmp_path_factory):
    return load_material(home, "bills", data, tmp_path_factory.mktemp("work"), base="tiny")


@pytest.fixture
def bench(material):
    return Bench(material)


@pytest.fixture
def known():
    """The families that experiments name, in small."""
    names = ("narrow-2x96", "truncated-3", "truncated-6", "narrow-4x256", *SEEN)
    return {**{name: tiny(name) for name in names}, "conv-4x96": tiny("conv-4x96", "conv", 2, 16, 0)}
