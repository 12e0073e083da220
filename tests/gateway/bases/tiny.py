"""A base model of a few megabytes, and what tests of fetching do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.bases import Base

CONTENT = {"config.json": b'{"width": 8}', "model.safetensors": bytes(range(256)) * 40_000}


def make_base(**where: Any) -> Base:
    files = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in CONTENT.items()}
    return Base.model_validate({"name": "tiny-base", "licence": "Apache-2.0", "files": files, **where})


def write_files(directory: Path, content: Mapping[str, bytes] = CONTENT) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (directory / name).write_bytes(data)


def leftovers(cache: Path) -> list[str]:
    """Everything under the cache but lock files."""
    return sorted(
        path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.suffix != ".lock" and path.is_file()
    )


def fetched(cache: Path) -> bool:
    """Whether the cache holds the base's files and nothing else."""
    return leftovers(cache) == [f"bases/tiny-base/{name}" for name in sorted(CONTENT)]
