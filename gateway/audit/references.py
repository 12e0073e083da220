"""The references of a home's tasks, read again when their files change."""

from __future__ import annotations

import logging
from pathlib import Path

from gateway.audit.reference import FILE, Reference
from gateway.errors import PolicyError
from gateway.telemetry.logs import facts

_log = logging.getLogger("gateway.audit")


class References:
    """Looks up ``models/<task>/reference.json``.

    Args:
        models: the home's ``models/``; ``None``: there are none.
    """

    def __init__(self, models: Path | None) -> None:
        self._models = models
        self._known: dict[str, tuple[tuple[int, int], Reference | None]] = {}

    def find(self, task: str) -> Reference | None:
        """The reference of a task; ``None`` where there is none that can be used (which is logged once)."""
        if self._models is None:
            return None
        path = self._models / task / FILE
        try:
            status = path.stat()
        except OSError:
            return None
        mark = (status.st_mtime_ns, status.st_size)
        known = self._known.get(task)
        if known is None or known[0] != mark:
            try:
                reference = Reference.load(path)
            except PolicyError as error:
                _log.warning("reference not used", extra=facts(code=error.code, task=task, problem=error.message))
                reference = None
            known = (mark, reference)
            self._known[task] = known
        return known[1]
