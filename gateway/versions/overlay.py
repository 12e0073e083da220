"""A home that serves another directory as a task's models: for measuring a version before it is served."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.home import Home

#: What of ``models/`` and of the home itself concerns a task beside its own directory.
_SHARED = ("models/bases.yaml", "upstreams.yaml")


@contextmanager
def home_with(home: Home, task: str, directory: Path) -> Iterator[Home]:
    """The same rules, bases and upstreams, with ``directory`` in the place of ``models/<task>/``; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cascade-home-") as scratch:
        path = Path(scratch)
        (path / "models").mkdir()
        (path / "rules").symlink_to(home.rules.absolute())
        for name in _SHARED:
            if (home.path / name).exists():
                (path / name).symlink_to((home.path / name).absolute())
        (path / "models" / task).symlink_to(directory.absolute())
        yield Home(path)
