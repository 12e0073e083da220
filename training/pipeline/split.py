"""Writing split.json, once for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.files import write_json
from gateway.task import TaskSpec
from training.data.split import SplitSizes, group_documents, grouping_fields, make_split
from training.recipe import SplitRecipe


def write_split(
    path: Path, task: TaskSpec, documents: Sequence[LabelledDocument], recipe: SplitRecipe, data_digest: str
) -> None:
    """Divide documents into the parts and write them down, once for good.

    Raises:
        DatasetError: too few documents to leave any for a part that is needed; nothing is written then.
    """
    keys = recipe.group_by or grouping_fields(documents, task)
    groups = group_documents(documents, keys)
    parts = make_split(
        documents, groups, recipe.seed, SplitSizes(calibration=recipe.calibration, development=recipe.development)
    )
    lacking = [part for part in ("train", "development", "calibration") if not parts[part]]
    if lacking:
        raise DatasetError(
            f"{len(documents)} labelled documents are too few: none would be left for {' and '.join(lacking)};"
            " some twenty make a start, and some hundreds are needed to certify much"
        )
    about = {
        "data_sha256": data_digest,
        "grouped_by": list(keys),
        "digest": "first 16 hexadecimal digits of the text's SHA-256",
    }
    write_json(path, {"task": task.name, "seed": recipe.seed, "about": about, "parts": parts, "groups": groups})
