"""The file of API keys: read, checked, written, and read again when it changes."""

from __future__ import annotations

import datetime
import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import KeyFileError
from gateway.http.keys import Key, Role
from gateway.telemetry.logs import facts

#: Others may neither read nor write the file, and the group may not write it.
_FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IRWXO
_LOOK_SECONDS = 1.0
_VERSION = 1
_log = logging.getLogger(__name__)


def _utc(moment: datetime.datetime) -> datetime.datetime:
    return moment.astimezone(datetime.UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=100)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    roles: tuple[Role, ...] = Field(min_length=1)
    created: Moment
    rate: float | None = Field(None, gt=0, allow_inf_nan=False)
    burst: float | None = Field(None, ge=1, allow_inf_nan=False)
    daily_budget: float | None = Field(None, ge=0, allow_inf_nan=False)
    expires: Moment | None = None
    revoked: Moment | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=_VERSION, le=_VERSION)
    keys: list[_Entry]


def read_keys(path: Path) -> dict[str, Key]:
    """Every key of the file by id, revoked ones too.

    Raises:
        KeyFileError: the file is missing, wrong, or open to others.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & _FORBIDDEN_MODE:
                raise KeyFileError(
                    f"{path}: may be read or changed by others (mode {stat.S_IMODE(status.st_mode):03o});"
                    f" chmod 600 {path.name}"
                )
            content = file.read()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        entries = _File.model_validate_json(content).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise KeyFileError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from None
    keys = {entry.id: Key(**dict(entry)) for entry in entries}
    if len(keys) != len(entries):
        raise KeyFileError(f"{path}: two keys have the same id")
    return keys


def write_keys(path: Path, keys: Mapping[str, Key]) -> None:
    """Write the file atomically; only its owner may read it, and the group where it could before."""
    entries = [_Entry(**vars(key)).model_dump(mode="json", exclude_none=True) for key in keys.values()]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    mode = stat.S_IMODE(path.stat().st_mode) & ~_FORBIDDEN_MODE if path.exists() else 0o600
    try:
        # Private from its first byte on; gateway.files.replacing would publish it with the user's usual mode.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"version": _VERSION, "keys": entries}, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(handle)
        temporary.chmod(mode)
        os.replace(temporary, path)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def editing(path: Path) -> Iterator[dict[str, Key]]:
    """The keys to be changed in place; written when the block ends well. Two editors take turns.

    Raises:
        KeyFileError: as :func:`read_keys` (a missing file holds no keys), or it cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeyFileError(f"{lock}: cannot be written ({error.strerror})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        keys = read_keys(path) if path.exists() else {}
        yield keys
        write_keys(path, keys)
    finally:
        os.close(handle)


class KeyStore:
    """The keys of ``path`` as they stand now: the file is looked at again once a second, when it is asked for.

    A file that has become wrong, or is gone, leaves the keys as they were, and says so in the log once: a slip while
    editing must not lock everybody out. To revoke keys, change the file; taking it away revokes nothing.

    Raises:
        KeyFileError: the file cannot be used at the start.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._seen = self._look()
        self._keys = read_keys(path)
        self._looked = monotonic()

    def current(self) -> Mapping[str, Key]:
        """Every key by id."""
        now = self._monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._reload()
        return self._keys

    def _look(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)

    def _reload(self) -> None:
        try:
            self._keys = read_keys(self._path)
        except KeyFileError as error:
            _log.error("the keys stay as they were", extra=facts(code=error.code, problem=error.message))
        else:
            _log.info("keys read again", extra=facts(keys=len(self._keys)))
