"""Room on disk for a process's metric files, taken before they are mapped into its memory.

``prometheus_client`` makes them sparse. Where the disk is full, the first write to a page without a block ends the
process by a signal (SIGBUS), and every worker that takes its place.
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import ConfigurationError

#: The kinds of files that the metrics of :mod:`gateway.telemetry.instruments` are kept in.
KINDS = ("counter", "histogram", "gauge_livemax", "gauge_livesum", "gauge_max")
#: As many as a new file of ``prometheus_client`` has; room for some 5,000 series of a kind.
_BYTES = 1 << 20


def reserve_metric_files(directory: Path) -> None:
    """Make this process's metric files in ``directory``, with blocks behind all of their bytes.

    Raises:
        ConfigurationError: there is no room for them.
    """
    for kind in KINDS:
        path = directory / f"{kind}_{os.getpid()}.db"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, _BYTES)
            finally:
                os.close(handle)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ConfigurationError(f"{directory}: no room for metrics ({error.strerror}); see TMPDIR") from error
