"""A file of fixed-size slots that several processes map into their memory and change under one lock.

Reading and writing a slot is a copy within memory; the lock is one ``flock`` call to take and one to give back, and the
kernel gives it back when its holder dies. The pages belong to the file: they outlive every process, and the machine
writes them to disk in its own time.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError

_HEADER = struct.Struct("<8sIII")
#: The header has a memory page of its own, so that slots are aligned whatever their size.
_HEADER_BYTES = 4096
_VERSION = 1


class SlotFile:
    """``count`` slots of ``size`` bytes in the file ``path``, made (all zero) where it is not there yet.

    Args:
        path: the file; private to this user.
        magic: eight bytes that say what the slots hold.
        size: bytes of a slot; a multiple of 8, so that whole numbers in it never straddle two.
        count: number of slots.

    Raises:
        ConfigurationError: the file holds something else, or cannot be made.
    """

    def __init__(self, path: Path, *, magic: bytes, size: int, count: int) -> None:
        if len(magic) != 8 or size % 8:
            raise ValueError("a magic of 8 bytes and a slot size that is a multiple of 8 are needed")
        self.size, self.count = size, count
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be opened ({error.strerror})") from error
        try:
            with self.locked():
                self._prepare(path, magic)
            self._map = mmap.mmap(self._handle, _HEADER_BYTES + size * count)
        except (OSError, ConfigurationError) as error:
            os.close(self._handle)
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"{path}: cannot be used ({error.strerror})") from error

    def _prepare(self, path: Path, magic: bytes) -> None:
        wanted = _HEADER.pack(magic, _VERSION, self.size, self.count)
        found = os.pread(self._handle, _HEADER.size, 0)
        length = _HEADER_BYTES + self.size * self.count
        if not found.rstrip(b"\0"):
            # Blocks are allocated now: a full disk is an error here, and not a signal at the first write to the map.
            os.posix_fallocate(self._handle, 0, length)
            os.pwrite(self._handle, wanted, 0)
        elif found != wanted or os.fstat(self._handle).st_size != length:
            raise ConfigurationError(f"{path}: written by another version of this program; remove it to start anew")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out. Held for microseconds; not to be taken twice."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    @property
    def memory(self) -> mmap.mmap:
        """The mapped file, for :mod:`struct`; a slot begins at :meth:`offset`."""
        return self._map

    def offset(self, index: int) -> int:
        """Where slot ``index`` begins in :attr:`memory`."""
        return _HEADER_BYTES + index * self.size

    def close(self) -> None:
        """Let go of the file, having written it to disk."""
        if not self._map.closed:
            self._map.flush()
            self._map.close()
            os.close(self._handle)


def state_directory(path: Path) -> Path:
    """``path`` as a directory; where it is not there it is made, for this user alone.

    Raises:
        ConfigurationError: it cannot be used.
    """
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be made a directory for shared state ({error.strerror})") from error
    return path
