"""Promotion: a version takes the place of what is served, which becomes a version itself."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import NotComparable, UnknownVersion
from gateway.evaluation.dataset import file_digest
from gateway.home import Home
from gateway.versions.files import check_digests, copy_files, kept_by_hand, managed_files, serves_anything
from gateway.versions.manifest import MANIFEST
from gateway.versions.store import Served, Version, Versions
from gateway.versions.swap import preparing, put_in_place, restore

SPLIT = "split.json"


@dataclass(frozen=True)
class Promotion:
    """What was done: ``version`` is served; ``previous`` is what was, under the name it is kept by. ``changed`` is
    false where that version was served already."""

    task: str
    version: str
    previous: str | None
    changed: bool = True


def promote(home: Home, task: str, name: str, *, examine: Callable[[Path], None] | None = None) -> Promotion:
    """Serve the version ``name``, all at once, and keep what was served as a version.

    What people keep in ``models/<task>/`` by hand stays there. Killed at any point, this leaves what was served or what
    is to be served, never a mixture.

    Args:
        home: the home.
        task: the task's name.
        name: the version's.
        examine: called with the directory as it is to be served, just before; whatever it raises ends the promotion.

    Raises:
        UnknownVersion: there is no such version.
        ModelCorrupt: a file has not the digest it should have.
        NotComparable: nothing is served, and ``split.json`` is another one than the version's.
        ConfigurationError: another process is changing these versions, or the directory cannot be replaced.
    """
    versions = Versions(home, task)
    with versions.locked():
        restore(versions.served_path)
        version = versions.find(name)
        version.verify()
        served = versions.served()
        if served.name == name and not served.changed:
            return Promotion(task, name, served.manifest.previous if served.manifest else None, changed=False)
        try:
            _prepare(versions, version, served)
            if examine is not None:
                examine(preparing(versions.served_path))
                # That may have taken long: what people keep there by hand may be another now.
                shutil.rmtree(preparing(versions.served_path))
                _prepare(versions, version, versions.served())
            previous = _swap(versions, version)
        finally:
            restore(versions.served_path)
    return Promotion(task, name, previous)


def _swap(versions: Versions, version: Version) -> str | None:
    """Put in place what is prepared; the name by which what was served before is kept."""
    kept = versions.keep_served()
    previous = None if kept is None else kept.name
    _sign(version, preparing(versions.served_path), previous)
    before = put_in_place(versions.served_path)
    if before is not None and serves_anything(before):
        # The same version again, unless a policy was written in the moment between.
        late = versions.add_locked(before, origin="served").name
        if late != previous:
            _sign(version, versions.served_path, late)
            return late
    return previous


def _prepare(versions: Versions, version: Version, served: Served) -> None:
    directory = preparing(versions.served_path)
    directory.mkdir(parents=True)
    if served.path.is_dir():
        _check_split(version, served)
        directory.chmod(served.path.stat().st_mode & 0o777)
        managed = managed_files(served.path, served.manifest.files if served.manifest else ())
        by_hand = kept_by_hand(served.path, [*managed, MANIFEST])
        copy_files(served.path, directory, by_hand, links=True)
    copy_files(version.path, directory, version.manifest.files)
    if SPLIT not in version.manifest.files and (served.path / SPLIT).is_file():
        copy_files(served.path, directory, [SPLIT])
    check_digests(directory, version.manifest.files)


def _check_split(version: Version, served: Served) -> None:
    """Where nothing is served, no version would keep a split that rules may have been written by."""
    path = served.path / SPLIT
    wanted = version.manifest.files.get(SPLIT)
    if not served.present and path.is_file() and wanted is not None and file_digest(path) != wanted:
        raise NotComparable(
            f"{path} divides the documents otherwise than {version.name}, and rules may have been written by it; remove"
            " it if it does not count any more"
        )


def _sign(version: Version, directory: Path, previous: str | None) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    replace(version.manifest, promoted=now, previous=previous).save(directory)


def rollback_target(home: Home, task: str) -> Version:
    """The version that was served before the one that is.

    Raises:
        UnknownVersion: there is none, or it is gone.
    """
    versions = Versions(home, task)
    served = versions.served()
    if served.manifest is None:
        raise UnknownVersion(f"what is served for {task} was not promoted; name a version with --to")
    if served.manifest.previous is None:
        raise UnknownVersion(f"nothing was served for {task} before {served.manifest.name}")
    return versions.find(served.manifest.previous)
