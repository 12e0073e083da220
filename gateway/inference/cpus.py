"""How many CPUs this process may use: what the machine has, less what affinity and the container's quota take away.

A runtime that starts a thread for each of the machine's cores inside a container that may use two of them is throttled:
its threads use up the quota early in each period and then all stand still together.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC, _CGROUP = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cpus(cgroup_file: Path = _PROC, cgroup_root: Path = _CGROUP) -> int:
    """CPUs this process may use, at least 1: the smaller of its affinity mask and its cgroup quota (rounded up).

    Args:
        cgroup_file: which cgroups the process is in (``/proc/self/cgroup``).
        cgroup_root: where the cgroup file systems are mounted.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(cgroup_file, cgroup_root)
    # 1.5 CPUs keep two threads busy three quarters of the time: better than one thread and half a CPU idle.
    return affinity if quota is None else max(1, min(affinity, int(-(-quota // 1))))


def cgroup_quota(cgroup_file: Path = _PROC, cgroup_root: Path = _CGROUP) -> float | None:
    """CPUs that the tightest quota of this process's cgroups grants, version 2 or 1; ``None`` without any."""
    quotas: list[float] = []
    for controllers, path in _memberships(cgroup_file):
        if controllers == "":
            roots, read = [cgroup_root, cgroup_root / "unified"], _quota_v2
        elif "cpu" in controllers.split(","):
            roots, read = [cgroup_root / controllers, cgroup_root / "cpu"], _quota_v1
        else:
            continue
        for root in roots:
            # A quota may stand at any level; inside a container's namespace the path shown may not exist under the
            # mount, whose root is then the container's own group.
            levels = [root / path, *(root / parent for parent in Path(path).parents), root]
            quotas += [quota for level in dict.fromkeys(levels) if (quota := read(level)) is not None]
    return min(quotas, default=None)


def _memberships(cgroup_file: Path) -> list[tuple[str, str]]:
    """``(controllers, path without the leading slash)`` of each hierarchy; version 2 has no controllers named."""
    try:
        lines = cgroup_file.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []  # no cgroups on this system
    parts = [line.split(":", 2) for line in lines]
    return [(part[1], part[2].strip("/")) for part in parts if len(part) == 3 and ".." not in part[2]]


def _quota_v2(group: Path) -> float | None:
    fields = _read(group / "cpu.max").split()
    if len(fields) != 2 or fields[0] == "max":
        return None
    return _ratio(*fields)


def _quota_v1(group: Path) -> float | None:
    return _ratio(_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    try:
        granted, every = int(quota), int(period)
    except ValueError:
        return None
    return granted / every if granted > 0 and every > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""  # this level has no such file: no quota here
