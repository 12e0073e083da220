"""Fetched bases on disk: ``<cache>/bases/<name>/``, each file checked against its digest."""

from __future__ import annotations

from pathlib import Path

from gateway.bases.catalogue import Base
from gateway.errors import ModelCorrupt, ModelMissing
from gateway.evaluation.dataset import file_digest


def base_directory(cache: Path, base: Base) -> Path:
    """Where a base's files lie once fetched."""
    return cache / "bases" / base.name


def is_fetched(base: Base, cache: Path) -> bool:
    """Whether every file is there with its size: quick, and no proof that it is whole (:func:`verify` is)."""
    directory = base_directory(cache, base)
    return all(
        (directory / name).is_file() and (directory / name).stat().st_size == file.bytes
        for name, file in base.files.items()
    )


def check_file(base: Base, name: str, path: Path) -> None:
    """Compare one file with the digest the catalogue names.

    Raises:
        ModelMissing: it is not there.
        ModelCorrupt: it has other bytes.
    """
    expected = base.files[name]
    if not path.is_file():
        raise ModelMissing(f"{base.name}: {name} is not at {path}: run `cascade models fetch`")
    size = path.stat().st_size
    if size != expected.bytes:
        raise ModelCorrupt(f"{base.name}: {path} has {size} bytes, expected {expected.bytes}")
    digest = file_digest(path)
    if digest != expected.sha256:
        raise ModelCorrupt(f"{base.name}: {path} has SHA-256 {digest}, expected {expected.sha256}")


def verify(base: Base, cache: Path) -> None:
    """Read every file of a fetched base and compare its SHA-256.

    Raises:
        ModelMissing: a file is not there.
        ModelCorrupt: a file has other bytes than the catalogue says.
    """
    directory = base_directory(cache, base)
    for name in base.files:
        check_file(base, name, directory / name)
