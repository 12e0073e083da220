from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.document import Document, TierName
from gateway.errors import ModelCorrupt, TierUnavailable, UnknownTask
from gateway.home import Home
from gateway.inference import models as models_module
from gateway.inference.base import TierStatus
from gateway.inference.local import LocalInference
from gateway.inference.models import LoadedTier, Models
from gateway.task import TaskSpec

TASK = "task: bills\nfields:\n  shop: {type: text}\n"


class Disk:
    """A home whose student's version is what its file says; ``broken`` files cannot be loaded."""

    def __init__(self, root: Path, echo: Any) -> None:
        self.home = Home(root)
        self._echo = echo
        self.loads: list[str] = []
        self.add("bills")
        self.write("s1")

    def add(self, task: str) -> None:
        directory = self.home.rules / task
        directory.mkdir(parents=True)
        (directory / "task.yaml").write_text(TASK.replace("bills", task))

    def write(self, version: str, task: str = "bills") -> None:
        path = self.home.models / task / "student" / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_text(version)
        path.with_suffix(".part").replace(path)

    def load(self, home: Home, task: TaskSpec) -> dict[TierName, LoadedTier]:
        self.loads.append(task.name)
        path = home.models / task.name / "student" / "config.json"
        version = path.read_text() if path.is_file() else "broken"
        if version == "crash":
            raise ModelCorrupt("cannot be loaded")
        if version == "broken":
            return {"student": (None, TierStatus(None, "the file is broken"))}
        return {"student": (self._echo("student", version), TierStatus(version, None, "int8"))}

    def models(self) -> Models:
        return Models(self.home, None, self.load)


@pytest.fixture
def disk(tmp_path: Path, echo: Any) -> Disk:
    return Disk(tmp_path, echo)


def test_what_did_not_change_is_not_loaded_again(disk: Disk) -> None:
    models = disk.models()
    assert models.changes() is None
    assert not models.reload()
    assert disk.loads == ["bills"]


def test_a_changed_model_takes_over_and_the_one_before_answers_who_names_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = disk.models()
    epoch = models.epoch
    disk.write("s2")
    assert models.changes() is not None
    assert models.epoch == epoch
    assert models.reload()
    assert models.epoch != epoch
    assert models.status("bills")["student"].version == "s2"
    assert models.find("bills", "student", None).version == "s2"
    assert models.find("bills", "student", "s2").version == "s2"
    assert models.find("bills", "student", "s1").version == "s1"
    with pytest.raises(TierUnavailable, match="replaced by another model"):
        models.find("bills", "student", "s0")

    now = time.monotonic()
    monkeypatch.setattr(models_module.time, "monotonic", lambda: now + models_module.RETIREMENT + 1)
    models.forget_retired()
    with pytest.raises(TierUnavailable, match="replaced by another model"):
        models.find("bills", "student", "s1")


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.refused = 0

    def models_changed(self, task: str, result: str) -> None:
        assert task == "bills"
        self.changed.append(result)

    def models_refused(self, task: str, tiers: int) -> None:
        assert task == "bills"
        self.refused = tiers


@pytest.mark.parametrize(("content", "why"), [("broken", "the file is broken"), ("crash", "cannot be loaded")])
def test_a_model_that_cannot_be_used_replaces_none_and_says_why(disk: Disk, content: str, why: str) -> None:
    told = Told()
    models = Models(disk.home, None, disk.load, told)
    epoch = models.epoch
    disk.write(content)
    assert not models.reload()
    assert models.find("bills", "student", None).version == "s1"
    status = models.status("bills")["student"]
    assert (status.version, status.available, status.refused) == ("s1", True, why)
    assert models.epoch != epoch, "workers ask what it says"
    assert (told.changed, told.refused) == (["refused"], 1)
    assert models.changes() is None, "it is not tried again until it changes"
    disk.write("s1")  # the edit is taken back
    assert not models.reload()
    assert (models.status("bills")["student"].refused, models.epoch, told.refused) == (None, epoch, 0)
    disk.write("s3")
    assert models.reload()
    assert models.find("bills", "student", None).version == "s3"
    assert told.changed == ["refused", "replaced"]


def test_a_missing_model_that_comes_is_taken_up(disk: Disk) -> None:
    disk.write("broken")
    models = disk.models()
    with pytest.raises(TierUnavailable, match="the file is broken"):
        models.find("bills", "student", None)
    disk.write("s1")
    assert models.reload()
    assert models.find("bills", "student", None).version == "s1"


def test_tasks_come_and_go(disk: Disk) -> None:
    models = disk.models()
    disk.add("letters")
    disk.write("l1", "letters")
    assert models.reload()
    assert disk.loads == ["bills", "letters"]
    assert models.find("letters", "student", None).version == "l1"
    (disk.home.rules / "letters" / "task.yaml").unlink()
    assert models.reload()
    with pytest.raises(UnknownTask):
        models.status("letters")


def test_while_another_model_is_loaded_requests_are_answered(disk: Disk) -> None:
    inference = LocalInference(disk.home, load=disk.load)

    async def main() -> None:
        watching = asyncio.create_task(inference.watch(0.02))
        epoch = inference.epoch
        disk.write("s2")
        versions = set()
        async with asyncio.timeout(20):
            while inference.epoch == epoch:
                for version in (None, "s1"):
                    await inference.propose("bills", "student", [Document("x")], ["shop"], version=version)
                versions.add((await inference.status("bills"))["student"].version)
        await inference.propose("bills", "student", [Document("x")], ["shop"], version="s2")
        await inference.propose("bills", "student", [Document("x")], ["shop"], version="s1")
        assert "s1" in versions
        watching.cancel()
        await inference.close()

    asyncio.run(main())


def test_a_look_that_fails_is_not_the_last(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    inference = LocalInference(disk.home, load=disk.load)
    looks: list[str] = []
    looking = models_module.models_on_disk

    def no_files(home: Home, task: str) -> object:
        looks.append(task)
        if len(looks) < 3:
            raise OSError(24, "Too many open files")
        return looking(home, task)

    async def main() -> None:
        monkeypatch.setattr(models_module, "models_on_disk", no_files)
        watching = asyncio.create_task(inference.watch(0.01))
        disk.write("s2")
        async with asyncio.timeout(20):
            while (await inference.status("bills"))["student"].version != "s2":
                await asyncio.sleep(0.01)
        watching.cancel()
        await inference.close()

    asyncio.run(main())
