"""Seconds from a fresh clone to the first extraction: `git clone`, then `make demo` with an empty model cache.

    python benchmarks/fresh_clone.py --out benchmarks/results/fresh-clone.json

Packages come through pip as it is configured, so a warm pip cache or a near mirror shortens the installation; the
result names the seconds of every step that `make demo` announces.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.files import write_json

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clone, cache = Path(scratch) / "clone", Path(scratch) / "cache"
        started = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        steps: list[dict[str, object]] = [{"step": "git clone", "at_seconds": 0.0}]
        # An environment that is active here would be used there.
        environment = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        environment["CASCADE_CACHE"] = str(cache)
        process = subprocess.Popen(
            ["make", "demo"],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            if line.startswith(("==>", "starting:", "ready after", "POST ")):
                steps.append({"step": line.strip(), "at_seconds": round(time.perf_counter() - started, 1)})
        code = process.wait()
        seconds = round(time.perf_counter() - started, 1)
    print(f"{seconds} s from clone to answer, exit code {code}")
    if arguments.out and code == 0:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        write_json(
            arguments.out,
            {
                "command": shlex.join(["python", *sys.argv]),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "commit": commit.stdout.strip(),
                "hardware": {"machine": platform.machine(), "cores": os.cpu_count()},
                "python": platform.python_version(),
                "seconds": seconds,
                "steps": steps,
            },
        )
    return code


if __name__ == "__main__":
    raise SystemExit(main())
