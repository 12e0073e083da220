"""What is published of what people do to files, and when."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gateway.reload.publisher
from gateway.errors import TaskFileError
from gateway.home import Home
from gateway.reload.publisher import Publisher
from gateway.reload.store import KEPT, Store
from gateway.tiers.rules.lint.probing import Prober

Bench = Any
Text = Callable[..., str]


def test_every_task_is_published_at_the_start(bench: Bench) -> None:
    published = bench.publisher.published
    assert {name: generation.number for name, generation in published.tasks.items()} == {"bills": 1}
    assert bench.store.current() == published
    assert bench.wait() is published


def test_an_edit_is_published_once_it_was_left_alone(bench: Bench, total_rules: Text) -> None:
    bench.write(total_rules("SUM"))
    assert bench.look().tasks["bills"].number == 1
    bench.now += 0.19
    assert bench.look().tasks["bills"].number == 1
    bench.now += 0.02
    published = bench.look()
    generation = published.tasks["bills"]
    assert (generation.number, generation.seen) == (2, 100.0)
    assert bench.text(published) == total_rules("SUM")
    assert published.results == {"published": 1, "rejected": 0, "failed": 0}
    assert bench.store.current() == published


def test_thousands_of_quick_saves_make_one_generation(bench: Bench, total_rules: Text) -> None:
    for number in range(2000):
        bench.write(total_rules("SUM", 0.9 + number / 100_000))
        bench.now += 0.05
        assert bench.look().tasks["bills"].number == 1
    assert bench.wait().tasks["bills"].number == 2


@pytest.mark.parametrize(
    ("rule", "code", "at"),
    [
        ("{id: a, kind: pattrn, pattern: x}", "R012", "pattrn"),
        ("{id: a, kind: pattern, pattern: '('}", "R030", "'('"),
        ("{id: a", "R006", None),
        ("{id: a, kind: pattern, pattern: '\\d+', examples: [{text: 'x', value: '1'}]}", "R041", None),
    ],
)
def test_a_broken_edit_leaves_the_generation_before_in_force(
    bench: Bench, rule: str, code: str, at: str | None, total_rules: Text
) -> None:
    text = f"field: total\nrules:\n  - {rule}\n"
    bench.write(text)
    published = bench.wait()
    assert published.tasks["bills"].number == 1
    assert published.results["rejected"] == 1
    problem = next(problem for problem in published.problems["bills"] if problem.code == code)
    assert problem.file == "rules/bills/total.yaml"
    if at is not None:
        assert (problem.line, problem.column) == (3, text.splitlines()[2].index(at) + 1)
    assert bench.wait(5.0) is published  # it is told once
    bench.write(total_rules())
    healed = bench.wait()
    assert (healed.tasks["bills"].number, healed.problems) == (1, {})
    bench.write(total_rules("SUM"))
    assert bench.wait().tasks["bills"].number == 2


def test_what_editors_leave_behind_is_no_change(bench: Bench) -> None:
    for name in (
        ".total.yaml.swp",
        "total.yaml~",
        "#total.yaml#",
        ".#total.yaml",
        "4913",
        "total.yaml.orig",
        "notes.md",
    ):
        (bench.rules / name).write_text("{{{{")
    assert bench.wait().tasks["bills"].number == 1
    assert bench.publisher.published.sequence == 1


def test_saving_by_renaming_is_an_edit(bench: Bench, total_rules: Text) -> None:
    (bench.rules / "total.yaml").rename(bench.rules / "total.yaml~")
    bench.look()  # for a moment there is no such file
    (bench.rules / ".new").write_text(total_rules("SUM"))
    (bench.rules / ".new").rename(bench.rules / "total.yaml")
    published = bench.wait()
    assert (published.tasks["bills"].number, bench.text(published)) == (2, total_rules("SUM"))


def test_a_touched_file_is_no_new_generation(bench: Bench) -> None:
    os.utime(bench.rules / "total.yaml", (1.0, 1.0))
    assert bench.wait().tasks["bills"].number == 1


def test_a_directory_replaced_through_a_link_is_an_edit(tmp_path: Path, total_rules: Text) -> None:
    # As Kubernetes mounts a ConfigMap: files are links to ..data/, and ..data is a link that is replaced.
    home = Home(tmp_path / "home")
    rules = home.rules / "bills"
    for number, label in enumerate(("TOTAL", "SUM"), 1):
        data = rules / f"..version-{number}"
        data.mkdir(parents=True)
        (data / "task.yaml").write_text("task: bills\ntiers: [rules]\nfields:\n  total: {type: money}\n")
        (data / "total.yaml").write_text(total_rules(label))
    (rules / "..data").symlink_to("..version-1")
    for name in ("task.yaml", "total.yaml"):
        (rules / name).symlink_to(f"..data/{name}")
    now = [0.0]
    publisher = Publisher(home, Store(tmp_path / "run"), clock=lambda: now[0])
    publisher.start()
    (rules / "..tmp").symlink_to("..version-2")
    (rules / "..tmp").rename(rules / "..data")
    publisher.look()
    now[0] += 0.3
    publisher.look()
    generation = publisher.published.tasks["bills"]
    copy = Store(tmp_path / "run").home(generation.directory).rules / "bills" / "total.yaml"
    assert (generation.number, copy.read_text(), copy.is_symlink()) == (2, total_rules("SUM"), False)


def test_tasks_come_and_go(bench: Bench, total_rules: Text) -> None:
    other = bench.home.rules / "notes"
    other.mkdir()
    (other / "total.yaml").write_text(total_rules())
    assert set(bench.wait().tasks) == {"bills"}  # no task without its task.yaml
    (other / "task.yaml").write_text("task: notes\ntiers: [rules]\nfields:\n  total: {type: money}\n")
    published = bench.wait()
    assert (published.tasks["notes"].number, published.tasks["notes"].late) == (1, True)
    shutil.rmtree(other)
    assert set(bench.wait().tasks) == {"bills"}
    other.mkdir()
    (other / "total.yaml").write_text(total_rules())
    (other / "task.yaml").write_text("task: notes\ntiers: [rules]\nfields:\n  total: {type: money}\n")
    assert bench.wait().tasks["notes"].number == 2  # a number is never given twice


def test_a_task_that_was_never_right_is_told_and_forgotten(bench: Bench) -> None:
    other = bench.home.rules / "notes"
    other.mkdir()
    (other / "task.yaml").write_text("task: notes\nfields: []\n")
    published = bench.wait()
    assert set(published.tasks) == {"bills"}
    assert published.problems["notes"][0].file == "rules/notes/task.yaml"
    shutil.rmtree(other)
    assert bench.wait().problems == {}


def test_the_library_concerns_every_task(bench: Bench) -> None:
    library = bench.home.rules / "library"
    library.mkdir()
    (library / "own.yaml").write_text("recognisers:\n  shop-number: {pattern: 'S\\d+'}\n")
    assert bench.wait().tasks["bills"].number == 2
    (library / "own.yaml").write_text("recognisers: [")
    published = bench.wait()
    assert published.tasks["bills"].number == 2
    assert published.problems["bills"][0].file == "rules/library/own.yaml"


def test_a_new_field_and_a_policy_are_part_of_a_generation(bench: Bench) -> None:
    bench.write("task: bills\ntiers: [rules]\nfields:\n  total: {type: money}\n  shop: {type: text}\n", "task.yaml")
    assert bench.wait().tasks["bills"].number == 2
    policy = bench.home.models / "bills" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text('{"format": 1')
    published = bench.wait()
    assert published.tasks["bills"].number == 2
    assert (published.problems["bills"][0].code, published.problems["bills"][0].file) == (
        "invalid-policy",
        "models/bills/policy.json",
    )
    policy.unlink()
    assert bench.wait().problems == {}


def test_files_that_are_being_written_are_left_for_the_next_look(
    bench: Bench, total_rules: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(total_rules("SUM"))
    bench.look()
    bench.now += 0.3
    opened = Path.open

    def write_meanwhile(path: Path, *args: Any, **more: Any) -> Any:
        if path.name == "total.yaml" and "rb" in args:
            monkeypatch.undo()
            path.write_text(total_rules("DUE"))
        return opened(path, *args, **more)

    monkeypatch.setattr(Path, "open", write_meanwhile)
    assert bench.look().tasks["bills"].number == 1
    published = bench.wait()
    assert bench.text(published) == total_rules("DUE")


def test_a_home_that_cannot_be_read_takes_no_task_away(bench: Bench, total_rules: Text) -> None:
    bench.home.rules.rename(bench.home.path / "away")
    for _ in range(3):
        published = bench.wait(3.0)
    assert set(published.tasks) == {"bills"}
    assert (published.results["failed"], published.problems[""][0].code) == (1, "reload-failed")
    (bench.home.path / "away").rename(bench.home.rules)
    bench.write(total_rules("SUM"))
    published = bench.wait()
    assert (published.tasks["bills"].number, published.problems) == (2, {})


def test_a_run_directory_that_cannot_be_written_is_tried_again(
    bench: Bench, total_rules: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", full)
        bench.write(total_rules("SUM"))
        published = bench.wait()
    assert published.tasks["bills"].number == 1
    assert "No space left" in published.problems["bills"][0].message
    published = bench.wait(3.0)
    assert (published.tasks["bills"].number, published.problems) == (2, {})


def test_only_the_newest_generations_are_kept(bench: Bench, total_rules: Text) -> None:
    for number in range(8):
        bench.write(total_rules("SUM", 0.9 + number / 100))
        bench.wait()
        bench.write("broken: [")
        bench.wait()
    kept = list((bench.store.path / "generations").iterdir())
    assert len(kept) == KEPT
    assert bench.publisher.published.tasks["bills"].number == 9


def test_a_service_starts_with_rules_the_linter_refuses_and_says_so(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (home.rules / "bills").mkdir(parents=True)
    (home.rules / "bills" / "task.yaml").write_text("task: bills\ntiers: [rules]\nfields:\n  total: {type: money}\n")
    failing = "field: total\nrules:\n  - {id: a, kind: pattern, pattern: '\\d+', examples: [{text: x, value: '1'}]}\n"
    (home.rules / "bills" / "total.yaml").write_text(failing)
    publisher = Publisher(home, Store(tmp_path / "run"))
    assert publisher.start().tasks["bills"].number == 1
    publisher.lint()
    problem = publisher.published.problems["bills"][0]
    assert (problem.code, problem.in_force) == ("R041", True)


def test_a_service_does_not_start_with_a_wrong_task_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (home.rules / "bills").mkdir(parents=True)
    (home.rules / "bills" / "task.yaml").write_text("task: bills\nfields: {total: {type: gold}}\n")
    with pytest.raises(TaskFileError, match=str(home.rules / "bills" / "task.yaml")):
        Publisher(home, Store(tmp_path / "run")).start()


def test_checking_a_large_edit_does_not_delay_the_look_after_it(
    bench: Bench, total_rules: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = gateway.reload.publisher.check

    def slowly(*args: Any) -> Any:
        time.sleep(0.3)
        return check(*args)

    monkeypatch.setattr("gateway.reload.publisher.check", slowly)
    publisher = Publisher(bench.home, Store(bench.store.path / "other"), quiet=0.01)
    publisher.start()
    pauses: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            if len(pauses) % 3 == 1:
                bench.write(total_rules("SUM", 0.9 + len(pauses) / 1000))
            if len(pauses) > 9:
                self.set()
            return super().wait(0.05)

    publisher.run(Stop())
    assert publisher.published.tasks["bills"].number > 2
    # A look that counted the check as its own would be followed by the longest pause there is, a second.
    assert max(pauses) < 0.9


@pytest.mark.parametrize("broken", ["", "fields: [\n", "fields: {total: {type: gold}}\n"])
def test_a_copy_of_a_task_s_directory_is_left_out_and_said_to_be_one(bench: Bench, broken: str) -> None:
    copy = bench.home.rules / "bills-old"
    shutil.copytree(bench.rules, copy)
    if broken:
        (copy / "task.yaml").write_text(f"task: bills\n{broken}")
    publisher = Publisher(bench.home, Store(bench.store.path / "other"))
    published = publisher.start()
    assert list(published.tasks) == ["bills"]
    [problem] = published.problems["bills-old"]
    assert (problem.code, problem.file) == ("R018", "rules/bills-old/task.yaml")
    assert "'bills'" in problem.message
    publisher.lint()
    assert publisher.published.problems == {"bills-old": (problem,)}


def test_a_copy_made_while_the_service_runs_is_left_out_until_it_has_a_name_of_its_own(bench: Bench) -> None:
    copy = bench.home.rules / "bills-old"
    shutil.copytree(bench.rules, copy)
    published = bench.wait()
    assert list(published.tasks) == ["bills"]
    assert [problem.code for problem in published.problems["bills-old"]] == ["R018"]
    (copy / "task.yaml").write_text((copy / "task.yaml").read_text().replace("task: bills", "task: bills-old"))
    published = bench.wait()
    assert list(published.tasks) == ["bills", "bills-old"]
    assert published.problems == {}


def test_an_edit_costs_what_was_edited(bench: Bench, total_rules: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    real = Prober.probe

    def probe(self: Prober, pattern: Any, *rest: Any) -> Any:
        tried.append(pattern.pattern)
        return real(self, pattern, *rest)

    monkeypatch.setattr(Prober, "probe", probe)
    bench.write(total_rules("SUM"))
    bench.wait()
    assert sorted(tried) == ["SUM", r"\d+\.\d\d"]
    bench.write(total_rules("ALL"))
    bench.wait()
    assert sorted(tried) == ["ALL", "SUM", r"\d+\.\d\d"]
