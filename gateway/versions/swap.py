"""Putting a directory in the place of another, so that whoever looks finds the one or the other, whole.

Steps, each of which may be the last one before the power fails:

1. ``models/.<task>.preparing/`` is filled;
2. it is renamed to ``models/.<task>.incoming/``: now it is complete;
3. ``.incoming`` and ``models/<task>/`` change places, in one system call where the file system has one (``renameat2``
   with ``RENAME_EXCHANGE``); elsewhere ``models/<task>/`` is moved to ``.outgoing`` and ``.incoming`` takes its place;
4. what was served before is removed.

Where ``models/<task>/`` is there, it is whole, and what lies beside it is a leftover. Only between the two moves of
step 3 it is not there; :func:`finish_swaps` then ends what was begun.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.home import Home
from gateway.versions.files import sync_directories, sync_directory
from gateway.versions.store import Versions

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


def preparing(served: Path) -> Path:
    """Where the next version is put together: beside ``served``, so that a rename is enough to move it."""
    return served.parent / f".{served.name}.preparing"


def _incoming(served: Path) -> Path:
    return served.parent / f".{served.name}.incoming"


def _outgoing(served: Path) -> Path:
    return served.parent / f".{served.name}.outgoing"


def put_in_place(served: Path) -> Path | None:
    """Serve what :func:`preparing` holds, in place of what is served.

    Returns:
        Where what was served lies now; :func:`restore` removes it. ``None`` where nothing was.

    Raises:
        ConfigurationError: the directory cannot be moved (a mount point, a read-only layer of a container). What was
            served is served still.
    """
    if served.is_symlink():
        raise ConfigurationError(f"{served} is a link; only a real directory can be put in its place")
    sync_directories(preparing(served))
    incoming, outgoing = _incoming(served), _outgoing(served)
    before: Path | None = incoming
    try:
        os.rename(preparing(served), incoming)
        if not os.path.lexists(served):
            os.rename(incoming, served)
            before = None
        elif not exchange(incoming, served):
            os.rename(served, outgoing)
            os.rename(incoming, served)
            before = outgoing
    except OSError as error:
        restore(served)
        raise ConfigurationError(
            f"{served} cannot be replaced ({error.strerror}): it must be a directory that can be renamed, not a mount"
            " point or part of a container's image; mount models/ as a whole"
        ) from error
    sync_directory(served.parent)
    return before


def exchange(one: Path, other: Path) -> bool:
    """Let two directories change places in one step; false where system or file system cannot do that."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def restore(served: Path) -> None:
    """End what a command that was killed had begun, and remove what it left. For who holds the task's lock."""
    incoming, outgoing = _incoming(served), _outgoing(served)
    if not os.path.lexists(served):
        if incoming.is_dir() and outgoing.is_dir():
            os.rename(incoming, served)  # it was complete and about to take the place
        elif outgoing.is_dir():
            os.rename(outgoing, served)
    for leftover in (preparing(served), incoming, outgoing):
        if leftover.is_dir():
            shutil.rmtree(leftover)


def finish_swaps(home: Home) -> list[str]:
    """Put in place what a promotion that was killed between two moves left beside its place; the tasks concerned.

    A promotion that is still at work is left alone.
    """
    finished: list[str] = []
    for task in home.tasks():
        served = home.models / task
        if os.path.lexists(served) or not _outgoing(served).is_dir():
            continue
        try:
            with Versions(home, task).locked():
                restore(served)
        except ConfigurationError:
            continue
        finished.append(task)
    return finished
