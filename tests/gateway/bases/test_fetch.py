"""Verifying a fetched base, and what fetching promises whatever the source."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.bases import Base, base_directory, fetch, is_fetched, verify
from gateway.bases.report import Report
from gateway.bases.sources import LocalDirectory, SourceUnavailable
from gateway.errors import FetchFailed, ModelCorrupt, ModelMissing
from tests.gateway.bases.tiny import CONTENT, fetched, leftovers, make_base, write_files


class Failing:
    """A source that has nothing."""

    name = "failing"

    def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
        raise SourceUnavailable("nothing here")


class Interrupted:
    """A source whose fetch is cut off half way."""

    name = "interrupted"

    def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
        (into / files[0]).write_bytes(CONTENT[files[0]][:5])
        raise KeyboardInterrupt


def test_verify_tells_missing_from_corrupt(cache: Path) -> None:
    base = make_base()
    with pytest.raises(ModelMissing, match=r"config\.json.*cascade models fetch"):
        verify(base, cache)
    assert not is_fetched(base, cache)
    write_files(base_directory(cache, base))
    verify(base, cache)
    assert is_fetched(base, cache)
    flipped = b"X" + CONTENT["model.safetensors"][1:]
    write_files(base_directory(cache, base), {"model.safetensors": flipped})
    with pytest.raises(ModelCorrupt, match=r"model\.safetensors has SHA-256"):
        verify(base, cache)
    write_files(base_directory(cache, base), {"model.safetensors": b"short"})
    with pytest.raises(ModelCorrupt, match="5 bytes"):
        verify(base, cache)
    assert not is_fetched(base, cache)


def test_what_is_here_and_whole_is_kept(cache: Path) -> None:
    base = make_base()
    write_files(base_directory(cache, base))
    assert fetch(base, cache, progress=False, sources=[]) == base_directory(cache, base)


def test_only_files_that_are_missing_or_corrupt_are_asked_for(cache: Path, tmp_path: Path) -> None:
    base = make_base()
    write_files(base_directory(cache, base), {**CONTENT, "config.json": b"broken"})
    write_files(tmp_path / "own" / base.name, {"config.json": CONTENT["config.json"]})
    fetch(base, cache, progress=False, sources=[LocalDirectory(tmp_path / "own")])
    verify(base, cache)


def test_a_directory_of_ones_own_is_tried_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = make_base()
    write_files(tmp_path / "own" / base.name)
    monkeypatch.setenv("CASCADE_BASES", str(tmp_path / "own"))
    fetch(base, cache, progress=False)
    verify(base, cache)
    assert fetched(cache)


def test_when_nothing_works_each_source_says_why(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASCADE_BASES", str(tmp_path / "nowhere"))
    with pytest.raises(FetchFailed) as caught:
        fetch(make_base(), cache, progress=False)
    assert caught.value.detail is not None
    reasons = caught.value.detail["sources"]
    assert list(reasons) == ["local directory", "packages", "model hub"]
    assert str(tmp_path / "nowhere") in reasons["local directory"]
    assert all(reason in caught.value.message for reason in reasons.values())
    assert leftovers(cache) == []


@pytest.mark.parametrize("wrong", [b"", b"X" * 12, b"X" * 1000])
def test_wrong_bytes_are_refused_and_leave_nothing(wrong: bytes, cache: Path, tmp_path: Path) -> None:
    base = make_base()
    write_files(tmp_path / "own" / base.name, {**CONTENT, "config.json": wrong})
    with pytest.raises(ModelCorrupt, match=r"config\.json"):
        fetch(base, cache, progress=False, sources=[LocalDirectory(tmp_path / "own"), Failing()])
    assert leftovers(cache) == []


def test_a_corrupt_source_does_not_keep_the_next_from_being_tried(cache: Path, tmp_path: Path) -> None:
    base = make_base()
    write_files(tmp_path / "bad" / base.name, {**CONTENT, "config.json": b"X" * 12})
    write_files(tmp_path / "good" / base.name)
    fetch(base, cache, progress=False, sources=[LocalDirectory(tmp_path / "bad"), LocalDirectory(tmp_path / "good")])
    verify(base, cache)


def test_an_interrupted_fetch_leaves_nothing_half_written(cache: Path) -> None:
    base = make_base()
    with pytest.raises(KeyboardInterrupt):
        fetch(base, cache, progress=False, sources=[Interrupted()])
    assert leftovers(cache) == []


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchFailed, match="CASCADE_CACHE"):
        fetch(make_base(), tmp_path / "file", progress=False, sources=[Failing()])


def test_two_fetches_at_once_ask_the_source_once(cache: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "own" / "tiny-base")
    entered, go_on, calls = threading.Event(), threading.Event(), []

    class Slow(LocalDirectory):
        def provide(self, base: Base, files: Sequence[str], into: Path, downloads: Path, report: Report) -> None:
            calls.append(files)
            entered.set()
            assert go_on.wait(30)
            super().provide(base, files, into, downloads, report)

    source = Slow(tmp_path / "own")
    first = threading.Thread(target=fetch, args=(make_base(), cache, False, [source]))
    second = threading.Thread(target=fetch, args=(make_base(), cache, False, [source]))
    first.start()
    assert entered.wait(30)
    second.start()
    go_on.set()
    first.join(30)
    second.join(30)
    assert len(calls) == 1
    verify(make_base(), cache)


def test_progress_is_reported_on_standard_error_only_when_asked_for(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_base()
    write_files(tmp_path / "own" / base.name)
    fetch(base, cache, progress=False, sources=[LocalDirectory(tmp_path / "own")])
    assert capsys.readouterr() == ("", "")
    shutil.rmtree(base_directory(cache, base))
    fetch(base, cache, progress=True, sources=[LocalDirectory(tmp_path / "own")])
    out, err = capsys.readouterr()
    assert out == ""
    assert "fetched from local directory and verified" in err
