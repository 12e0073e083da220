from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inference.cpus import available_cpus, cgroup_quota
from gateway.inference.shares import Share, shares


def machine(root: Path, cgroups: str, **files: str) -> tuple[Path, Path]:
    """A ``/proc/self/cgroup`` and a cgroup mount with files (``__`` stands for ``/``)."""
    mount = root / "cgroup"
    mount.mkdir()
    (root / "self").write_text(cgroups)
    for name, content in files.items():
        path = mount / name.replace("__", "/").replace("cpu_max", "cpu.max").replace("cfs_", "cpu.cfs_")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root / "self", mount


@pytest.mark.parametrize(
    ("cgroups", "files", "quota"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu_max": "max 100000\n"}, None),
        ("0::/\n", {"cpu_max": "150000 100000\n"}, 1.5),
        # The tightest of the levels counts.
        ("0::/a/b\n", {"a__cpu_max": "200000 100000", "a__b__cpu_max": "max 100000"}, 2.0),
        ("0::/a/b\n", {"a__cpu_max": "200000 100000", "a__b__cpu_max": "50000 100000"}, 0.5),
        # Inside a container the path names a group of the host; the mount's root is the container's own.
        ("0::/docker/abc\n", {"cpu_max": "300000 100000"}, 3.0),
        ("4:cpu,cpuacct:/job\n1:name=systemd:/\n", {"cpu,cpuacct__job__cfs_quota_us": "25000"}, None),
        (
            "4:cpu,cpuacct:/job\n",
            {"cpu,cpuacct__job__cfs_quota_us": "25000", "cpu,cpuacct__job__cfs_period_us": "50000"},
            0.5,
        ),
        ("4:cpu:/\n", {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}, None),
        ("garbage\n0::/../..\n", {"cpu_max": "1 1"}, None),
        ("0::/\n", {"cpu_max": "many 1"}, None),
    ],
)
def test_a_container_s_quota_is_found(tmp_path: Path, cgroups: str, files: dict[str, str], quota: float | None) -> None:
    where = machine(tmp_path, cgroups, **files)
    assert cgroup_quota(*where) == quota
    assert 1 <= available_cpus(*where) <= len(os.sched_getaffinity(0))


def test_without_cgroups_affinity_decides(tmp_path: Path) -> None:
    assert available_cpus(tmp_path / "none", tmp_path) == len(os.sched_getaffinity(0))


def test_half_a_cpu_is_one_thread(tmp_path: Path) -> None:
    assert available_cpus(*machine(tmp_path, "0::/\n", cpu_max="50000 100000")) == 1


def test_shares_of_a_machine() -> None:
    assert shares(2) == {"student": Share(2, 1), "large": Share(2, 1)}
    assert shares(16) == {"student": Share(16, 1), "large": Share(4, 4)}
    assert shares(16, student=3, large=6) == {"student": Share(3, 1), "large": Share(2, 3)}
    assert shares(4, threads=4) == {"student": Share(1, 4), "large": Share(1, 4)}


@given(st.integers(1, 256), st.integers(0, 64), st.integers(0, 64), st.integers(0, 64))
def test_no_tier_gets_more_than_its_share(cpus: int, threads: int, student: int, large: int) -> None:
    parts = shares(cpus, threads=threads, student=student, large=large)
    for tier, total in (("student", student or cpus), ("large", large or cpus)):
        part = parts[tier]  # type: ignore[index]
        assert part.lanes >= 1
        assert part.threads >= 1
        assert part.lanes * part.threads <= total
