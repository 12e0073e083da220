"""Versions of a task's models: kept side by side, one of them served, put in its place all at once.

.cascade/versions/<task>/<version>/   a version, which never changes: its files, and version.json with their digests
models/<task>/                        the version that is served, and what people keep beside it by hand
"""

from gateway.versions.manifest import MANIFEST, Manifest
from gateway.versions.overlay import home_with
from gateway.versions.promotion import Promotion, promote, rollback_target
from gateway.versions.store import Served, Version, Versions
from gateway.versions.swap import finish_swaps

__all__ = [
    "MANIFEST",
    "Manifest",
    "Promotion",
    "Served",
    "Version",
    "Versions",
    "finish_swaps",
    "home_with",
    "promote",
    "rollback_target",
]
