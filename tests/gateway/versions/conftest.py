from __future__ import annotations

from pathlib import Path

import pytest

from gateway.home import Home
from gateway.versions import Versions
from tests.gateway.versions.bills import make_home

pytest.importorskip("onnx", reason="making a student needs onnx: pip install 'cascade-gateway[dev]'")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Rules, and no models."""
    return make_home(tmp_path / "home")


@pytest.fixture
def versions(home: Home) -> Versions:
    return Versions(home, "bills")
