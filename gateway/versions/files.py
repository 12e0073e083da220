"""Which files of a task's models belong to a version, and copying them so that they are really there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.errors import ModelCorrupt
from gateway.evaluation.dataset import file_digest

#: What training writes beside the model tiers.
MANAGED = (
    "forms.json",
    "windows.json",
    "policy.json",
    "split.json",
    "recipe.yaml",
    "training.json",
    "out_of_fold.json",
    "CARD.md",
    "report.html",
)
#: What serving looks for; a directory with none of these serves nothing.
_SERVED = ("student/config.json", "large/config.json", "policy.json")
_TIER_FILES: Mapping[str, tuple[str, ...]] = {
    "student": ("config.json", "model.onnx", "tokenizer.json"),
    "large": ("config.json", "adapter.safetensors", "tokenizer.json"),
}
_HALF_WRITTEN = ".part"


def managed_files(directory: Path, more: Iterable[str] = ()) -> list[str]:
    """The files of ``directory`` that training writes, as relative POSIX paths: those of :data:`MANAGED`, those of the
    model tiers, and ``more``. What people keep there by hand (``large/remote.yaml``, notes) is not among them."""
    names = {*MANAGED, *more}
    for tier, usual in _TIER_FILES.items():
        names |= {f"{tier}/{name}" for name in (*usual, *_digested(directory / tier / "config.json"))}
    return sorted(name for name in names if (directory / name).is_file())


def _digested(config: Path) -> Iterable[str]:
    """The files that a tier's ``config.json`` gives digests of; none where it cannot be read."""
    try:
        raw: Any = json.loads(config.read_text("utf-8"))
        names = list(raw["digests"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    # A name is never used as a path to somewhere else.
    return [name for name in names if isinstance(name, str) and Path(name).name == name]


def serves_anything(directory: Path) -> bool:
    """Whether a directory holds a model or a policy."""
    return any((directory / name).is_file() for name in _SERVED)


def kept_by_hand(directory: Path, managed: Iterable[str]) -> list[str]:
    """The files (and links) of ``directory`` that are not ``managed``, as relative POSIX paths."""
    taken = set(managed)
    found: list[str] = []
    for root, directories, files in os.walk(directory):
        links = [name for name in directories if (Path(root) / name).is_symlink()]
        for name in (*files, *links):
            relative = (Path(root) / name).relative_to(directory).as_posix()
            if relative not in taken and not name.endswith(_HALF_WRITTEN):
                found.append(relative)
    return sorted(found)


def digests(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """File → SHA-256 in hexadecimal."""
    return {name: file_digest(directory / name) for name in names}


def check_digests(directory: Path, expected: Mapping[str, str]) -> None:
    """Compare every file with its digest.

    Raises:
        ModelCorrupt: a file is missing or has other bytes.
    """
    for name, digest in expected.items():
        path = directory / name
        if not path.is_file():
            raise ModelCorrupt(f"{path} is missing")
        if file_digest(path) != digest:
            raise ModelCorrupt(f"{path}: its digest is not the one in version.json")


def copy_files(source: Path, target: Path, names: Iterable[str], *, links: bool = False) -> None:
    """Copy files into ``target``, and see to it that they outlive a power failure.

    Args:
        links: whether a link stays a link; otherwise what it leads to is copied.
    """
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if links and (source / name).is_symlink():
            path.symlink_to((source / name).readlink())
            continue
        shutil.copy2(source / name, path)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def sync_directories(directory: Path) -> None:
    """Have the names of all files below ``directory`` written to the disk."""
    for root, _, _ in os.walk(directory):
        sync_directory(Path(root))


def sync_directory(directory: Path) -> None:
    """Have the names in one directory written to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
