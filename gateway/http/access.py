"""Which path needs which role, where keys are needed at all."""

from __future__ import annotations

import datetime
from typing import Literal

from gateway.errors import Forbidden
from gateway.http.keyfile import KeyStore
from gateway.http.keys import Key, Role, presented_key, verify
from gateway.settings import Settings

#: Anybody; anybody with a key; a key with the role.
Need = Literal["nothing", "key"] | Role

EXTRACT, BATCH = "/v1/extract", "/v1/extract/batch"
#: Who may read the metrics may read the page of figures made from them.
METRICS = ("/metrics", "/cost")
DOCS = ("/docs", "/redoc", "/openapi.json")
ADMIN = ("/v1/admin", "/admin")


class Access:
    """Lets requests pass, or not. Without ``keys`` everybody may do everything.

    Args:
        keys: the keys there are.
        settings: who may read metrics and documentation.
    """

    def __init__(self, keys: KeyStore | None, settings: Settings) -> None:
        self._keys = keys
        self._metrics: Need = "nothing" if settings.metrics_access == "open" else settings.metrics_access
        self._docs: Need = "nothing" if settings.docs_access == "open" else settings.docs_access

    def check(self, path: str, headers: list[tuple[bytes, bytes]]) -> Key | None:
        """The key a request came with, where the path needs one.

        Raises:
            Unauthorized: no good key came with it.
            Forbidden: the key lacks the role.
        """
        if self._keys is None:
            return None
        need = self.need(path)
        if need == "nothing":
            return None
        key = verify(self._keys.current(), presented_key(headers), datetime.datetime.now(datetime.UTC))
        if need != "key" and need not in key.roles:
            raise Forbidden(f"this needs a key with the role {need}", detail={"role": need})
        return key

    def need(self, path: str) -> Need:
        """What a path needs. Paths that lead nowhere need nothing: they are answered with ``not-found``."""
        if path in (EXTRACT, BATCH):
            return "extract"
        if path in METRICS:
            return self._metrics
        if _within(path, DOCS):
            return self._docs
        if _within(path, ADMIN):
            return "admin"
        return "key" if path.startswith("/v1/") else "nothing"


def _within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)
