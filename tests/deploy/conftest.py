"""One stage for all tests of this folder: starting it takes longer than looking at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.stage import Stage, replay, stage

REQUESTS = 200


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway and its Prometheus after a known load."""
    with stage(tmp_path_factory.mktemp("stage")) as on:
        replay(on, REQUESTS)
        yield on
