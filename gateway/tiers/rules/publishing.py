"""The published JSON Schemas, by which editors complete and check the files under ``rules/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.files import write_text
from gateway.tiers.rules.filter_schema import FiltersFile
from gateway.tiers.rules.schema import LibraryFile, RuleFile
from gateway.tiers.rules.task_schema import TaskFile

#: Where they stand, under ``rules/``.
DIRECTORY = "schema"
SCHEMAS: Mapping[str, type[BaseModel]] = {
    "rules.schema.json": RuleFile,
    "filters.schema.json": FiltersFile,
    "library.schema.json": LibraryFile,
    "task.schema.json": TaskFile,
}


def schema_json(model: type[BaseModel]) -> dict[str, Any]:
    """One file's JSON Schema (draft 2020-12)."""
    written = model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **written}


def schema_texts() -> dict[str, str]:
    """File name to content, as published."""
    return {
        name: json.dumps(schema_json(model), indent=2, ensure_ascii=False) + "\n" for name, model in SCHEMAS.items()
    }


def write_schemas(directory: Path) -> list[Path]:
    """Write all schemas to ``directory``; returns their paths."""
    paths = []
    for name, text in schema_texts().items():
        write_text(directory / name, text)
        paths.append(directory / name)
    return paths


def outdated_schemas(directory: Path) -> list[Path]:
    """Files that are missing in ``directory`` or say something else."""
    texts = schema_texts()
    paths = {directory / name: text for name, text in texts.items()}
    return [path for path, text in paths.items() if not path.is_file() or path.read_text("utf-8") != text]
