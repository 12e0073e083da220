"""The stage that prunes the labelled documents, off by default: near-duplicates first, then by a score."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.files import write_json
from training.data.select.choose import kept as count_kept
from training.data.select.duplicates import near_duplicates, without_duplicates
from training.data.select.recipe import parse_selection
from training.identity import identity
from training.pipeline.models import large_examples
from training.pipeline.scoring import Material, scores_of
from training.pipeline.stage import Stage

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline

SELECTED = "selected.json"


def select_stage(run: Pipeline) -> Stage:
    """Choose which training documents to learn from, as the recipe's line says."""
    line, path = run.recipe.select, run.work / SELECTED
    recipe = run.recipe.student

    def inputs() -> str:
        return run.inputs("select 1", line, identity(recipe), *run.reading)

    def work() -> dict[str, Any]:
        selection = parse_selection(line)
        documents, encoder = run.parts["train"], run.encoder(recipe.base)
        material = Material(
            [encoder.encode(document.text, document.context) for document in documents],
            run.aligned,
            run.fields,
            large_examples(run, encoder),
            encoder,
            run.base_directories[recipe.base],
            recipe,
            run.device,
        )
        scores = scores_of(selection.score, material, selection.seed)
        sign = 1 if selection.prefer == "high" else -1
        worth = None if scores is None else [float(sign * score) for score in scores]
        copies = without_duplicates(near_duplicates([document.text for document in documents]), worth)
        rest = [index for index in range(len(documents)) if index not in copies]
        budget = min(len(rest), count_kept(len(documents), selection.keep))
        chosen = replace(selection, keep=budget / len(rest)).indices(
            None if scores is None else np.asarray(scores)[rest],
            [{name for name, spans in run.aligned[index].items() if spans} for index in rest],
        )
        ids = [documents[rest[place]].id for place in chosen]
        write_json(path, ids)
        return {"line": line, "documents": len(documents), "near_duplicates": len(copies), "kept": len(ids)}

    return Stage("select", inputs, (path,), work)


def settle(run: Pipeline, report: dict[str, Any]) -> None:
    """Take up the choice: the training part is what was kept of it."""
    wanted = set(json.loads((run.work / SELECTED).read_text("utf-8")))
    pairs = [
        (document, spans)
        for document, spans in zip(run.parts["train"], run.aligned, strict=True)
        if document.id in wanted
    ]
    run.parts = {**run.parts, "train": [document for document, _ in pairs]}
    run.aligned = [spans for _, spans in pairs]
    print(
        f"  {report['kept']} of {report['documents']} documents are learned from ({report['near_duplicates']} were"
        " nearly copies of others)",
        flush=True,
    )
