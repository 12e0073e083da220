"""A promotion that is killed at any step leaves what was served, or what was to be served, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.home import Home
from gateway.versions import Versions, finish_swaps, promote
from tests.gateway.versions.bills import write_models

#: For each line of its input, a version and a number, begins a promotion in a process of its own and ends that at the
#: step with the number, without any clean-up, as a power failure does; says the exit code, or how many steps there are.
#: Steps are what the interpreter reports of files below the home.
KILLER = """
import os, sys
from pathlib import Path
home, way = sys.argv[1:]
from gateway.home import Home
from gateway.versions import promote, swap
if way == "two moves":
    swap.exchange = lambda one, other: False
EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.copyfile", "shutil.rmtree"}

def promote_until(version, last):
    steps = 0
    def count(event, arguments):
        nonlocal steps
        if event in EVENTS and any(str(one).startswith(home) for one in arguments):
            steps += 1
            if steps == last:
                os._exit(9)
    sys.addaudithook(count)
    promote(Home(Path(home)), "bills", version)
    print(steps, flush=True)
    os._exit(0)

for line in sys.stdin:
    version, last = line.split()
    child = os.fork()
    if not child:
        promote_until(version, int(last))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        print(-code, flush=True)
"""


class Killer:
    """Promotes until a step."""

    def __init__(self, home: Home, way: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", KILLER, str(home.path), way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, version: str, last: int) -> int:
        """The number of steps where none was the last, otherwise less than 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{version} {last}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)


def state(versions: Versions) -> dict[str, bytes]:
    found = {
        path.relative_to(versions.served_path).as_posix(): path.read_bytes()
        for path in versions.served_path.rglob("*")
        if path.is_file()
    }
    manifest = json.loads(found.pop("version.json"))
    return {**found, "served": manifest["name"].encode()}


@pytest.mark.parametrize("way", ["exchange", "two moves"])
def test_killed_at_any_step(way: str, home: Home, versions: Versions, tmp_path: Path) -> None:
    old = versions.add(write_models(home, tmp_path / "old", ["kedai"])).name
    new = versions.add(write_models(home, tmp_path / "new", ["melur"])).name
    promote(home, "bills", old)
    (versions.served_path / "NOTES.md").write_text("ours")
    states = {"old": state(versions)}
    killer = Killer(home, way)
    total = killer.run(new, 0)
    states["new"] = state(versions)
    promote(home, "bills", old)
    assert total > 20
    seen: list[str] = []
    # Of the steps before the swap, which only fill a directory that nobody looks at, some are enough.
    for last in [*range(1, total - 24, 9), *range(total - 24, total + 1)]:
        assert killer.run(new, last) == -9
        if not versions.served_path.exists():
            assert way == "two moves"
            assert finish_swaps(home) == ["bills"]
        found = state(versions)
        seen.append(next(name for name, expected in states.items() if found == expected))
        # Whatever lies about does not keep the next command from doing its work, and goes.
        promote(home, "bills", old)
        assert state(versions) == states["old"]
        assert sorted(path.name for path in home.models.iterdir()) == ["bills"]
        assert [version.name for version in versions.all()] == [old, new]
    killer.close()
    promote(home, "bills", new)
    assert state(versions) == states["new"]
    assert set(seen) == {"old", "new"}
    assert seen == sorted(seen, reverse=True), "once the new one is served it stays"
