"""The files of a home that make up its tasks: which there are, whether they changed, and what they hold.

Files are looked at by polling rather than by the operating system's notifications: those do not reach network mounts
and some container volumes, and miss a directory that is replaced by another through a symbolic link. A look costs one
``stat`` a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.home import Home
from gateway.tiers.rules.yamlfile import MAX_FILE_BYTES

LIBRARY = "library"
#: What rules can be made of. Editors' backups, swap files and locks end otherwise, or are hidden.
_SUFFIXES = (".yaml", ".yml", ".csv", ".txt")
_MAX_FILES = 2_000
_MAX_TOTAL_BYTES = 128 * 1024 * 1024

#: Size, inode and times of every file, by path: equal as long as nothing was written.
Signature = Mapping[str, tuple[int, int, int, int]]
#: Path inside a home (``rules/<task>/total.yaml``) to the file's bytes.
Content = Mapping[str, bytes]


class SourcesChanged(Exception):
    """Files were written while they were read: what was read may be half of one state and half of another."""


class TooMuch(OSError):
    """A task's directory holds more than a task's files can."""


@dataclass(frozen=True)
class Sources:
    """Looks at the files of one home."""

    home: Home

    def tasks(self) -> list[str]:
        """Names of the directories that hold a ``task.yaml``, sorted.

        Raises:
            OSError: ``rules/`` cannot be read; that says nothing about the tasks.
        """
        with os.scandir(self.home.rules) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        return sorted(name for name in names if (self.home.rules / name / "task.yaml").is_file())

    def library_signature(self) -> Signature:
        """That of ``rules/library/``, which every task shares."""
        return _signature(self._library())

    def signature(self, task: str) -> Signature:
        """That of a task's own files: its directory and its ``policy.json``."""
        return _signature(self._own(task))

    def read(self, task: str) -> Content:
        """All files of a task, the library's among them, in one state: none was written meanwhile.

        A file that is longer than any rule file may be is read as far as is needed to see that.

        Raises:
            SourcesChanged: they are being written.
            OSError: a file cannot be read. TooMuch: there are too many, or they are too large.
        """
        before = (self.signature(task), self.library_signature())
        content: dict[str, bytes] = {}
        total = 0
        for path in (*self._own(task), *self._library()):
            try:
                # Opening a pipe would wait for its other end, and only files are read.
                if not stat.S_ISREG(path.stat().st_mode):
                    continue
                with path.open("rb") as stream:
                    content[path.relative_to(self.home.path).as_posix()] = stream.read(MAX_FILE_BYTES + 1)
            except FileNotFoundError:
                continue  # gone since it was listed: the signature says so, unless there never was one
            total += len(content[path.relative_to(self.home.path).as_posix()])
            if len(content) > _MAX_FILES or total > _MAX_TOTAL_BYTES:
                raise TooMuch(
                    f"{path.parent} holds more than {_MAX_FILES} files or {_MAX_TOTAL_BYTES} bytes of rules and lookups"
                )
        if before != (self.signature(task), self.library_signature()):
            raise SourcesChanged(f"files of {task} are being written")
        return content

    def _own(self, task: str) -> Iterator[Path]:
        yield from _files(self.home.rules / task)
        yield self.home.models / task / "policy.json"

    def _library(self) -> Iterator[Path]:
        yield from _files(self.home.rules / LIBRARY)


def _files(directory: Path) -> Iterator[Path]:
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.endswith(_SUFFIXES) and not name.startswith((".", "~", "#")):
            yield directory / name


def _signature(paths: Iterator[Path]) -> Signature:
    found: dict[str, tuple[int, int, int, int]] = {}
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found[str(path)] = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return found
