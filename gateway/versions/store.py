"""The versions of one task: made once, never changed, removed only on request."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, ModelError, ModelMissing, UnknownVersion
from gateway.home import Home
from gateway.versions.files import (
    check_digests,
    copy_files,
    digests,
    managed_files,
    serves_anything,
    sync_directories,
    sync_directory,
)
from gateway.versions.manifest import Manifest

_LOCK = ".lock"
#: Files that only tell of the others.
_DESCRIPTIONS = {"CARD.md", "report.html"}


@dataclass(frozen=True)
class Version:
    """A version and where it lies."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.manifest.name

    def verify(self) -> None:
        """Check every file against its digest.

        Raises:
            ModelCorrupt: naming the file.
        """
        check_digests(self.path, self.manifest.files)


@dataclass(frozen=True)
class Served:
    """What ``models/<task>/`` holds.

    ``manifest`` is that of the version it was made from, ``None`` where it was not made from one. ``changed`` names
    files that are no longer as they were then (a policy that was calibrated anew).
    """

    path: Path
    manifest: Manifest | None
    changed: tuple[str, ...] = ()

    @property
    def name(self) -> str | None:
        return None if self.manifest is None else self.manifest.name

    @property
    def present(self) -> bool:
        """Whether anything is served: a model or a policy."""
        return serves_anything(self.path)


class Versions:
    """The versions of a task, in ``.cascade/versions/<task>/`` of a home.

    Args:
        home: where they lie.
        task: a task's name, looked up by the caller.
    """

    def __init__(self, home: Home, task: str) -> None:
        self._home = home
        self.task = task
        self.directory = home.path / ".cascade" / "versions" / task

    @property
    def served_path(self) -> Path:
        """``models/<task>/``."""
        return self._home.models / self.task

    def all(self) -> list[Version]:
        """Every version, oldest first. Directories without a readable ``version.json`` are none."""
        found: list[Version] = []
        for path in sorted(self.directory.glob("[!.]*")):
            try:
                manifest = Manifest.load(path)
            except ModelError:
                continue
            if manifest.name == path.name and manifest.task == self.task:
                found.append(Version(path, manifest))
        return sorted(found, key=lambda version: (version.manifest.created, version.name))

    def find(self, name: str) -> Version:
        """The version called ``name``; it is only looked for among those there are, so it is never used as a path.

        Raises:
            UnknownVersion: naming those there are.
        """
        known = {version.name: version for version in self.all()}
        if name not in known:
            raise UnknownVersion(
                f"{self.task} has no version {name[:100]!r}; there are: {', '.join(known) or 'none'}",
                detail={"versions": list(known)},
            )
        return known[name]

    def served(self) -> Served:
        """What is served now."""
        path = self.served_path
        try:
            manifest = Manifest.load(path)
        except ModelError:
            return Served(path, None)
        now = digests(path, managed_files(path, manifest.files))
        changed = {name for name in {*now, *manifest.files} if now.get(name) != manifest.files.get(name)}
        return Served(path, manifest, tuple(sorted(changed)))

    def is_served(self) -> bool:
        """Whether ``models/<task>/`` holds any model or policy."""
        return serves_anything(self.served_path)

    def add(self, source: Path, *, about: Mapping[str, Any] | None = None, origin: str = "training") -> Version:
        """Make a version of the files that training wrote into ``source``, atomically.

        Where a version has exactly these files already, that one is returned and nothing is written.

        Raises:
            ModelMissing: there is no model and no policy in ``source``.
            ConfigurationError: another process is changing the versions of this task.
        """
        with self.locked():
            return self.add_locked(source, about=about, origin=origin)

    def add_locked(self, source: Path, *, about: Mapping[str, Any] | None = None, origin: str = "training") -> Version:
        """As :meth:`add`, for who holds the lock already."""
        if not serves_anything(source):
            raise ModelMissing(f"no model in {source}")
        files = digests(source, managed_files(source))
        for version in self.all():
            if version.manifest.files == files:
                return version
        moment = datetime.datetime.now(datetime.UTC)
        content = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        name = f"{moment:%Y%m%d-%H%M%S}-{content[:8]}"
        scratch = self.directory / f".{name}.part"
        self._remove_leftovers()
        try:
            scratch.mkdir(parents=True)
            copy_files(source, scratch, files)
            check_digests(scratch, files)  # the source may have been written meanwhile
            created = moment.isoformat(timespec="milliseconds")
            manifest = Manifest(self.task, name, created, files, origin, dict(about or {}))
            manifest.save(scratch)
            sync_directories(scratch)
            scratch.rename(self.directory / name)
            sync_directory(self.directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return Version(self.directory / name, manifest)

    def keep_served(self) -> Version | None:
        """See to it that what is served is a version too; ``None`` where nothing is. For who holds the lock."""
        served = self.served()
        if not served.present:
            return None
        before = served.manifest
        about: dict[str, Any] = dict(before.about) if before else {}
        if before is not None:
            about["made_from"] = before.name
        # What was measured does not hold for models or a policy that were changed since.
        if set(served.changed) - _DESCRIPTIONS:
            about.pop("validation", None)
        return self.add_locked(served.path, about=about, origin="served")

    def prune(self, keep: int) -> list[str]:
        """Remove all but the ``keep`` newest versions that are not served; the names removed, oldest first.

        The one that is served stays, and the one that was served before it, to which a rollback would go.

        Raises:
            ConfigurationError: another process is changing the versions of this task.
        """
        with self.locked():
            manifest = self.served().manifest
            needed = set() if manifest is None else {manifest.name, manifest.previous}
            loose = [version for version in self.all() if version.name not in needed]
            doomed = loose[: max(0, len(loose) - keep)]
            for version in doomed:
                gone = self.directory / f".{version.name}.part"
                version.path.rename(gone)  # from here on it is no version any more
                shutil.rmtree(gone)
            self._remove_leftovers()
        return [version.name for version in doomed]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the task's versions for this process.

        Raises:
            ConfigurationError: another process holds them.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / _LOCK).open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigurationError(f"{self.directory}: another process is changing these versions") from error
            yield

    def _remove_leftovers(self) -> None:
        """What a command that was killed left behind. For who holds the lock."""
        for path in self.directory.glob(".*.part"):
            shutil.rmtree(path, ignore_errors=True)
