"""The published JSON Schemas say what the loader takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway import task as task_module
from gateway.home import Home
from gateway.tiers.rules.publishing import DIRECTORY, SCHEMAS, outdated_schemas, schema_json, write_schemas
from gateway.tiers.rules.schema import RuleFile
from gateway.tiers.rules.task_schema import TaskField, TaskFile, TaskPrices


def test_the_published_schemas_are_up_to_date(project_home: Home) -> None:
    assert outdated_schemas(project_home.rules / DIRECTORY) == [], "run `cascade rules schema --write`"


def test_schemas_that_are_missing_or_changed_are_told(tmp_path: Path) -> None:
    assert len(outdated_schemas(tmp_path)) == len(SCHEMAS)
    assert write_schemas(tmp_path) == [tmp_path / name for name in SCHEMAS]
    assert outdated_schemas(tmp_path) == []
    (tmp_path / "rules.schema.json").write_text("{}")
    assert outdated_schemas(tmp_path) == [tmp_path / "rules.schema.json"]


def test_task_yaml_has_the_keys_that_its_reader_takes() -> None:
    assert set(TaskFile.model_fields) == task_module._TASK_KEYS
    assert set(TaskField.model_fields) == task_module._FIELD_KEYS
    assert set(TaskPrices.model_fields) == task_module._PRICE_KEYS


def test_the_schema_of_rules_lists_keys_as_files_write_them() -> None:
    schema = schema_json(RuleFile)
    anchor = schema["$defs"]["AnchorRule"]
    assert {"validate", "normalise", "author_precision", "label"} <= set(anchor["properties"])
    assert anchor["additionalProperties"] is False
    assert set(anchor["required"]) == {"id", "kind", "label"}


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[4].glob("rules/*/*.yaml")), ids=lambda path: path.name)
def test_every_file_names_its_schema(path: Path) -> None:
    first = path.read_text("utf-8").partition("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema = path.parent / first.partition("=")[2]
    assert schema.is_file()
    raw = yaml.safe_load(path.read_text("utf-8"))
    assert SCHEMAS[schema.name].model_validate(raw)
