from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, ModelCorrupt, NotComparable, UnknownVersion
from gateway.home import Home
from gateway.versions import Versions, finish_swaps, promote, rollback_target
from gateway.versions import swap as swap_module
from tests.gateway.versions.bills import write_models, write_policy, write_split


@pytest.fixture(params=["exchange", "two moves"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As the file system allows, and as where it cannot exchange directories."""
    if request.param == "two moves":
        monkeypatch.setattr(swap_module, "exchange", lambda one, other: False)
    return str(request.param)


def add(home: Home, directory: Path, *words: str) -> str:
    return Versions(home, "bills").add(write_models(home, directory, words)).name


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def version_files(versions: Versions, name: str) -> dict[str, bytes]:
    return {key: value for key, value in contents(versions.find(name).path).items() if key != "version.json"}


@pytest.mark.usefixtures("way")
def test_a_version_takes_the_place_of_another_which_is_kept(home: Home, versions: Versions, tmp_path: Path) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    assert not versions.is_served()
    first = promote(home, "bills", old)
    assert (first.version, first.previous, first.changed) == (old, None, True)
    assert versions.is_served()
    second = promote(home, "bills", new)
    assert (second.version, second.previous) == (new, old)
    served = contents(versions.served_path)
    del served["version.json"]
    assert served == version_files(versions, new)
    assert versions.served().name == new
    assert versions.served().changed == ()
    assert [version.name for version in versions.all()] == [old, new]
    assert sorted(path.name for path in home.models.iterdir()) == ["bills"], "nothing is left over"


@pytest.mark.usefixtures("way")
def test_what_people_keep_by_hand_stays(home: Home, versions: Versions, tmp_path: Path) -> None:
    promote(home, "bills", add(home, tmp_path / "old", "kedai"))
    served = versions.served_path
    (served / "large").mkdir()
    (served / "large" / "remote.yaml").write_text("upstream: mine\n")
    (served / "NOTES.md").write_text("ours")
    (served / "link.md").symlink_to("NOTES.md")
    (served / "windows.json").write_text("{}")  # what training wrote once goes with its version
    promote(home, "bills", add(home, tmp_path / "new", "melur"))
    assert (served / "large" / "remote.yaml").read_text() == "upstream: mine\n"
    assert (served / "NOTES.md").read_text() == "ours"
    assert (served / "link.md").is_symlink()
    assert (served / "link.md").read_text() == "ours"
    assert not (served / "windows.json").exists()
    assert (served / "split.json").is_file()


def test_models_that_never_were_a_version_become_one(home: Home, versions: Versions, tmp_path: Path) -> None:
    write_models(home, versions.served_path, ["kedai"])
    before = contents(versions.served_path)
    done = promote(home, "bills", add(home, tmp_path / "new", "melur"))
    assert done.previous is not None
    assert version_files(versions, done.previous) == before
    assert versions.find(done.previous).manifest.origin == "served"
    promote(home, "bills", rollback_target(home, "bills").name)
    after = contents(versions.served_path)
    del after["version.json"]
    assert after == before


def test_a_policy_that_was_calibrated_anew_is_kept_too(home: Home, versions: Versions, tmp_path: Path) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    promote(home, "bills", old)
    write_policy(home, versions.served_path, 0.55)
    assert versions.served().changed == ("policy.json",)
    recalibrated = (versions.served_path / "policy.json").read_bytes()
    done = promote(home, "bills", new)
    assert done.previous not in (None, old)
    target = rollback_target(home, "bills")
    assert (target.path / "policy.json").read_bytes() == recalibrated
    assert target.manifest.about["made_from"] == old


def test_rolling_back_twice_is_to_be_where_one_was(home: Home, versions: Versions, tmp_path: Path) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    promote(home, "bills", old)
    promote(home, "bills", new)
    for expected in (old, new, old):
        promote(home, "bills", rollback_target(home, "bills").name)
        assert versions.served().name == expected
    assert len(versions.all()) == 2


def test_there_must_be_something_to_go_back_to(home: Home, versions: Versions, tmp_path: Path) -> None:
    with pytest.raises(UnknownVersion, match="was not promoted"):
        rollback_target(home, "bills")
    promote(home, "bills", add(home, tmp_path / "old", "kedai"))
    with pytest.raises(UnknownVersion, match="nothing was served"):
        rollback_target(home, "bills")


def test_what_is_served_already_is_left_alone(home: Home, versions: Versions, tmp_path: Path) -> None:
    name = add(home, tmp_path / "old", "kedai")
    promote(home, "bills", name)
    before = contents(versions.served_path)
    assert not promote(home, "bills", name).changed
    assert contents(versions.served_path) == before


def test_a_damaged_version_is_never_served(home: Home, versions: Versions, tmp_path: Path) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    promote(home, "bills", old)
    before = contents(versions.served_path)
    (versions.find(new).path / "student" / "model.onnx").write_bytes(b"x")
    with pytest.raises(ModelCorrupt):
        promote(home, "bills", new)
    assert contents(versions.served_path) == before
    assert sorted(path.name for path in home.models.iterdir()) == ["bills"]


def test_who_examines_it_sees_what_is_to_be_served_and_may_refuse(
    home: Home, versions: Versions, tmp_path: Path
) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    promote(home, "bills", old)
    (versions.served_path / "NOTES.md").write_text("ours")
    before = contents(versions.served_path)
    seen: dict[str, bytes] = {}

    def refuse(directory: Path) -> None:
        seen.update(contents(directory))
        raise NotComparable("no")

    with pytest.raises(NotComparable):
        promote(home, "bills", new, examine=refuse)
    assert seen == {**version_files(versions, new), "NOTES.md": b"ours"}
    assert contents(versions.served_path) == before
    assert sorted(path.name for path in home.models.iterdir()) == ["bills"]


def test_a_split_that_rules_were_written_by_is_not_lost(home: Home, versions: Versions, tmp_path: Path) -> None:
    versions.served_path.mkdir(parents=True)
    write_split(versions.served_path / "split.json", seed=7)
    name = add(home, tmp_path / "new", "melur")
    with pytest.raises(NotComparable, match="rules may have been written by it"):
        promote(home, "bills", name)
    write_split(versions.served_path / "split.json")
    assert promote(home, "bills", name).changed


def test_a_link_is_not_replaced(home: Home, versions: Versions, tmp_path: Path) -> None:
    write_models(home, tmp_path / "elsewhere", ["kedai"])
    home.models.mkdir()
    versions.served_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is a link"):
        promote(home, "bills", add(home, tmp_path / "new", "melur"))
    assert versions.served_path.is_symlink()


def test_a_swap_that_ended_between_two_moves_is_ended(home: Home, versions: Versions, tmp_path: Path) -> None:
    promote(home, "bills", add(home, tmp_path / "old", "kedai"))
    before = contents(versions.served_path)
    versions.served_path.rename(home.models / ".bills.outgoing")
    assert finish_swaps(home) == ["bills"]
    assert contents(versions.served_path) == before
    assert finish_swaps(home) == []
    versions.served_path.rename(home.models / ".bills.outgoing")
    with versions.locked():
        assert finish_swaps(home) == [], "whoever holds the lock is at work on it"


def test_what_is_edited_while_a_version_is_examined_is_kept(home: Home, versions: Versions, tmp_path: Path) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    promote(home, "bills", old)
    served = versions.served_path
    (served / "NOTES.md").write_text("before")
    (served / "gone.md").write_text("before")

    def edit(directory: Path) -> None:
        (served / "NOTES.md").write_text("meanwhile")
        (served / "gone.md").unlink()
        write_policy(home, served, 0.55)

    done = promote(home, "bills", new, examine=edit)
    assert (served / "NOTES.md").read_text() == "meanwhile"
    assert not (served / "gone.md").exists()
    assert done.previous not in (None, old)
    assert (
        versions.find(str(done.previous)).manifest.files["policy.json"]
        != versions.find(old).manifest.files["policy.json"]
    )


@pytest.mark.usefixtures("way")
def test_a_policy_written_in_the_last_moment_is_kept(
    home: Home, versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = add(home, tmp_path / "old", "kedai"), add(home, tmp_path / "new", "melur")
    promote(home, "bills", old)

    def put(served: Path) -> Path | None:
        write_policy(home, served, 0.55)
        return swap_module.put_in_place(served)

    monkeypatch.setattr("gateway.versions.promotion.put_in_place", put)
    done = promote(home, "bills", new)
    monkeypatch.undo()
    assert versions.served().name == new
    target = rollback_target(home, "bills")
    assert target.name == done.previous != old
    assert '"value": 0.55' in (target.path / "policy.json").read_text()
    assert sorted(path.name for path in home.models.iterdir()) == ["bills"]
