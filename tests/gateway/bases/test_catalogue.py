"""models/bases.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.bases import load_bases, load_catalogue
from gateway.errors import ConfigurationError
from gateway.home import Home
from tests.gateway.bases.tiny import make_base


def test_the_committed_catalogue_names_every_base_with_what_it_takes_to_fetch_it(project_home: Home) -> None:
    catalogue = load_catalogue(project_home)
    assert set(catalogue.usage.serving) | set(catalogue.usage.training) == set(catalogue.bases)
    for base in load_bases(project_home).values():
        assert set(base.files) == {"config.json", "tokenizer.json", "model.safetensors"}
        assert base.licence == "Apache-2.0"
        assert base.hub is not None
        assert base.package is not None


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"bases": {"x": {}}}, "bases.x.licence"),
        ({"usage": {"serving": ["other"]}}, "other"),
        ({"extra": 1}, "extra"),
        ({"bases": {"../x": {"licence": "MIT", "files": {"a": {"bytes": 1, "sha256": "0" * 64}}}}}, r"\.\./x"),
        ({"bases": {"x": {"licence": "MIT", "files": {"../a": {"bytes": 1, "sha256": "0" * 64}}}}}, r"\.\./a"),
        ({"bases": {"x": {"licence": "MIT", "files": {"a": {"bytes": 1, "sha256": "short"}}}}}, "sha256"),
        ({"bases": 3}, "bases"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_the_key(change: dict[str, Any], names: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    raw = {"usage": {}, "bases": {}, **change}
    (tmp_path / "models" / "bases.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigurationError, match=names):
        load_catalogue(Home(tmp_path))


@pytest.mark.parametrize("text", [None, "a: [", "- 1", "\0"])
def test_a_missing_or_unreadable_catalogue_is_refused(text: str | None, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    if text is not None:
        (tmp_path / "models" / "bases.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"bases\.yaml"):
        load_bases(Home(tmp_path))


@pytest.mark.parametrize("requirement", ["tiny", "tiny>=1", "--index-url=x", "tiny==1 --pre", "https://x/y.whl"])
def test_only_pinned_package_names_reach_pip(requirement: str) -> None:
    with pytest.raises(ValueError, match="requirements"):
        make_base(package={"requirements": [requirement], "folder": "x"})
