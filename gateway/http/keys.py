"""API keys: what one looks like, what the file says of it, and whether a request's key is good.

A key is ``cg_<id>_<secret>``. The id is public and names the key in logs, metrics and the file; the secret has 256
random bits. The file keeps the secret's SHA-256 alone. A slow password hash would add nothing: it makes guessing
dearer, and 256 random bits cannot be guessed at any price; it would only cost time on every request.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gateway.errors import Unauthorized

Role = Literal["extract", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
_SECRET_BYTES = 32
_KEY = re.compile(r"cg_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
#: Compared with when no key has the id, so that an unknown id takes as long as a wrong secret.
_NOBODY = hashlib.sha256(b"").hexdigest()
_CHALLENGE = "the service needs an API key: send the header Authorization: Bearer KEY, or X-API-Key: KEY"


@dataclass(frozen=True)
class Key:
    """One key as the file has it.

    ``rate`` is requests a second with bursts of ``burst``; ``daily_budget`` money a day (UTC) in the tasks' currency;
    ``None`` is no limit. ``sha256`` is the hash of the secret in hexadecimal.
    """

    id: str
    name: str
    sha256: str
    roles: tuple[Role, ...]
    created: datetime.datetime
    rate: float | None = None
    burst: float | None = None
    daily_budget: float | None = None
    expires: datetime.datetime | None = None
    revoked: datetime.datetime | None = None

    def good(self, now: datetime.datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    @property
    def bucket(self) -> float:
        """How many requests may come at once: ``burst``, by default those of a second."""
        return max(1.0, self.burst if self.burst is not None else (self.rate or 1.0))


def new_key() -> tuple[str, str, str]:
    """A fresh key: its id, the key itself, and the hash to keep."""
    identifier = secrets.token_hex(6)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return identifier, f"cg_{identifier}_{secret}", hash_secret(secret)


def hash_secret(secret: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def verify(keys: Mapping[str, Key], presented: str | None, now: datetime.datetime) -> Key:
    """The key that a request presented; secrets are compared in constant time.

    Raises:
        Unauthorized: none was presented, or it is not one of ``keys``, or it is revoked or expired.
    """
    if presented is None:
        raise Unauthorized(_CHALLENGE)
    match = _KEY.fullmatch(presented)
    if match is None:
        raise Unauthorized("the API key is not valid")
    key = keys.get(match[1])
    same = hmac.compare_digest(key.sha256 if key is not None else _NOBODY, hash_secret(match[2]))
    if key is None or not same or not key.good(now):
        raise Unauthorized("the API key is not valid")
    return key


def presented_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key in ``Authorization: Bearer`` or ``X-API-Key``; headers are ASGI's, names in lower case."""
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() == "bearer":
                return rest.strip()
    return None
