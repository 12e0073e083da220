from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway import errors

CLASSES = errors.all_errors()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_tree_in_the_docstring_is_the_tree_of_classes(cls: type[errors.CascadeError]) -> None:
    line = re.search(rf"^    ([│ ]*(?:[├└]── )?){cls.__name__} +(\S+) +(\d+)$", errors.__doc__ or "", re.MULTILINE)
    assert line, f"{cls.__name__} is not in the docstring"
    depth = len(cls.__mro__) - len(errors.CascadeError.__mro__)
    assert len(line[1]) == 4 * depth
    assert (line[2], int(line[3])) == (cls.code, cls.status)


def test_codes_are_unique_and_can_be_searched_for() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_the_documentation_lists_every_code_with_its_status_and_exit_code(project_root: Path) -> None:
    page = (project_root / "docs" / "errors.md").read_text("utf-8")
    documented = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (\d) \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    declared = [(cls.code, str(cls.status), str(cls.exit_code)) for cls in CLASSES]
    assert sorted(documented) == sorted(declared)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_has_the_one_shape(cls: type[errors.CascadeError]) -> None:
    assert cls("what happened").as_json() == {"error": {"code": cls.code, "message": "what happened"}}
    body = cls("what happened", detail={"fields": ["total"]}).as_json()
    assert json.loads(json.dumps(body))["error"]["detail"] == {"fields": ["total"]}
