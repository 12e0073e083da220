"""What a measurement was made on and with: hardware, versions, command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gateway

_PACKAGES = ("numpy", "onnxruntime", "tokenizers", "regex")
_CPU_INFO = Path("/proc/cpuinfo")


def hardware() -> dict[str, Any]:
    """The CPU's model, how many cores this process may use, and the kind of machine."""
    return {"cpu": _cpu_model(), "cores": usable_cores(), "machine": platform.machine(), "system": platform.system()}


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        lines = _CPU_INFO.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or "unknown"


def versions() -> dict[str, str]:
    """Versions of Python, of this project, and of the packages that compute; torch only where it is in use."""
    found = {"python": platform.python_version(), "gateway": gateway.__version__}
    names = [*_PACKAGES, *(["torch"] if "torch" in sys.modules else [])]
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command_line(argv: Sequence[str]) -> str:
    """The command as one would type it again; ``python -m gateway`` comes out as ``cascade``, which is the same."""
    program = Path(argv[0]).name
    return shlex.join(["cascade" if program == "__main__.py" else program, *argv[1:]])
