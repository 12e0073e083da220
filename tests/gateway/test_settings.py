from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import PREFIX, Settings


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADE_PORT", raising=False)
    assert Settings.read(port=None).port == 8000
    monkeypatch.setenv("CASCADE_PORT", "9000")
    assert Settings.read(port=None).port == 9000
    assert Settings.read(port=9001).port == 9001


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "eighty"),
        ("WORKERS", "0"),
        ("LARGE", "int4"),
        ("MAX_BODY_BYTES", "12"),
        ("LOG_LEVEL", "loud"),
        ("INFERENCE_TIMEOUT", "0"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + variable, value)
    with pytest.raises(ConfigurationError, match=f"^{PREFIX}{variable}: "):
        Settings.read()


def test_the_documentation_lists_every_setting_with_its_default(project_root: Path) -> None:
    page = (project_root / "docs" / "settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(CASCADE_\w+)` \| `?([^|`]+)`? \|", page, re.MULTILINE))
    declared = {
        PREFIX + name.upper(): "unset" if field.default is None else str(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert {name: rows.get(name, "").strip() for name in declared} == declared
    for field in Settings.model_fields.values():
        assert field.description
        assert field.description in page
