"""docs/rules.md: its examples work, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules import RulesTier, schema
from gateway.tiers.rules.examples import run_examples

PAGE = (Path(__file__).parents[4] / "docs" / "rules.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
RULE_FILES = [block for block in BLOCKS if block.startswith("field:")]
KINDS = {model.model_fields["kind"].annotation.__args__[0]: model for model in schema.RuleBase.__subclasses__()}
TYPES = {"date": "date", "total": "money"}


def section(title: str) -> str:
    """What stands under a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.partition(f"\n{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def keys(text: str) -> set[str]:
    """Keys in the first column of tables."""
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_there_are_examples() -> None:
    assert len(RULE_FILES) >= 5


@pytest.mark.parametrize("block", RULE_FILES)
def test_rule_files_on_the_page_load_and_their_examples_hold(block: str, tmp_path: Path) -> None:
    name = yaml.safe_load(block)["field"]
    task = TaskSpec("bills", {name: FieldSpec(name, TYPES.get(name, "text"))})  # type: ignore[arg-type]
    (tmp_path / "bills").mkdir()
    (tmp_path / "bills" / f"{name}.yaml").write_text(block)
    results = list(run_examples(RulesTier.load(tmp_path, task)))
    assert {result.expected is None for result in results} == {True, False}
    assert [result for result in results if not result.passed] == []


def test_the_library_file_on_the_page_is_one() -> None:
    [block] = [block for block in BLOCKS if block not in RULE_FILES]
    assert schema.LibraryFile.model_validate(yaml.safe_load(block)).recognisers


def test_the_page_names_every_kind_and_every_key_and_no_other() -> None:
    shared = set(schema.RuleBase.model_fields) | {"kind"}
    assert keys(section("## Keys of all kinds")) == shared
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == set(KINDS)
    for kind, model in KINDS.items():
        own = {
            name
            for name, field in model.model_fields.items()
            if name not in shared or (name == "lines" and field.is_required())
        }
        assert keys(section(f"### {kind}")) == own, kind
    for name in schema.Context.model_fields:
        assert f"`{name}`" in section("## Keys of all kinds")
