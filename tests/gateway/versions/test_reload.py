"""The gateway's own loading of models while a version takes the place of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.document import TierName
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.inference.models import LoadedTier, Models
from gateway.task import TaskSpec
from gateway.tiers.loading import load_model_tiers
from gateway.versions import Versions, promote
from tests.gateway.versions.bills import write_models


def test_what_is_replaced_while_it_is_loaded_is_loaded_again(
    home: Home, versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [versions.add(write_models(home, tmp_path / word, [word])).name for word in ("kedai", "melur", "tea")]
    promote(home, "bills", names[0])
    during: list[str] = []

    def load(home: Home, task: TaskSpec) -> Mapping[TierName, LoadedTier]:
        found = load_model_tiers(home, task)
        while during:  # as if loading took longer than until the next promotion
            promote(home, "bills", during.pop())
        return found

    def student() -> str | None:
        return models.status("bills")["student"].version

    models = Models(home, None, load)
    first = student()
    promote(home, "bills", names[1])
    during.append(names[2])
    assert not models.reload(), "nobody knows of what it is half"
    assert student() == first
    assert models.changes() is not None
    assert models.reload()
    loaded, status = load_model_tiers(home, home.task("bills"))["student"]
    assert loaded is not None
    assert student() == status.version
    assert models.changes() is None


def test_a_directory_that_is_gone_for_a_moment_ends_no_model(home: Home, versions: Versions, tmp_path: Path) -> None:
    promote(home, "bills", versions.add(write_models(home, tmp_path / "out", ["kedai"])).name)

    def load(home: Home, task: TaskSpec) -> Mapping[TierName, LoadedTier]:
        return load_model_tiers(home, task)

    models = Models(home, None, load)
    before = models.status("bills")["student"]
    versions.served_path.rename(tmp_path / "away")
    models.reload()
    after: TierStatus = models.status("bills")["student"]
    assert after.version == before.version
    assert models.find("bills", "student", None) is not None
