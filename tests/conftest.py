"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from gateway.bases import is_fetched, load_bases
from gateway.bases.store import base_directory
from gateway.home import Home, cache_directory

# How long an example takes says nothing about the code on a machine that is busy.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def project_home() -> Home:
    """The repository's own rules and models."""
    return Home(ROOT)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of real data sets; tests that need it are skipped where it is not."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"needs the data sets at {path}")
    return path


@pytest.fixture(scope="session")
def base_model() -> Callable[[str], Path]:
    """Looks up a fetched base model's directory by name, or skips the test."""

    def find(name: str) -> Path:
        base = load_bases(Home(ROOT))[name]
        if not is_fetched(base, cache_directory()):
            pytest.skip(f"needs the base model {name}: run `cascade models fetch --all`")
        return base_directory(cache_directory(), base)

    return find
