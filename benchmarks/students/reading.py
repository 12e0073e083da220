"""Systems that answer documents, and what their answers are worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gateway.document import Candidate, Document, Proposal
from gateway.evaluation.bootstrap import GroupBootstrap, f1_of, interval_json
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import MEASURES, Measure, count_documents, has_spans, total
from gateway.task import TaskSpec
from gateway.tiers.decode import propose
from gateway.tiers.model import ModelTier
from gateway.tiers.student import onnx_tagger
from training.baselines.crf import Crf
from training.experiments.material import Material
from training.families import Family

#: From one document to its proposals.
Reader = Callable[[LabelledDocument], Mapping[str, Proposal]]


def crf_reader(material: Material, crf: Crf) -> Reader:
    specs, task = list(material.task.fields.values()), material.task

    def read(document: LabelledDocument) -> Mapping[str, Proposal]:
        encoding = crf.encode(document)
        found = crf.probabilities(document, encoding)
        return propose(document.text, encoding.offsets, found, specs, material.forms, "student", options=task.options)

    return read


def reader(material: Material, family: Family, model: Path) -> Reader:
    """A student as the gateway serves it, from its ONNX file, on one thread."""
    view, task = material.view(family), material.task
    tier = ModelTier(
        "student",
        "",
        task,
        tuple(task.fields),
        view.encoder,
        onnx_tagger(model, 1),
        material.forms,
        view.vocabulary.pad,
        "int8",
    )

    def read(document: LabelledDocument) -> Mapping[str, Proposal]:
        return tier.propose([Document(document.text, context=document.context)], tuple(task.fields))[0].proposals

    return read


def answers_of(task: TaskSpec, proposals: Mapping[str, Proposal]) -> dict[str, Sequence[Candidate]]:
    """Best candidates, as `cascade eval` takes a tier that answers alone."""
    return {
        name: proposals[name].candidates if spec.many else proposals[name].candidates[:1]
        for name, spec in task.fields.items()
    }


def judge(material: Material, read: Reader) -> dict[str, Any]:
    """Counts ``[documents, 3]`` of the development part by measure, and micro F1 by field."""
    documents = material.development
    answers = [answers_of(material.task, read(document)) for document in tqdm(documents, unit="document", leave=False)]
    counts = {measure: count_documents(material.task, documents, answers, measure) for measure in measures(material)}
    fields = {name: total(counts["normalised"][:, column]).f1 for column, name in enumerate(material.task.fields)}
    return {"fields": fields, **{measure: found.sum(1).tolist() for measure, found in counts.items()}}


def measures(material: Material) -> list[Measure]:
    """Those that the data allows."""
    return [measure for measure in MEASURES if measure != "span" or has_spans(material.development)]


def normalised_f1(figures: Mapping[str, Any]) -> float:
    return 100.0 * (total(np.array(figures["normalised"])).f1 or 0.0)


def time_readers(readers: Mapping[str, Reader], documents: Sequence[LabelledDocument]) -> dict[str, list[float]]:
    """Milliseconds a document; all systems read each document in turn."""
    milliseconds: dict[str, list[float]] = {name: [] for name in readers}
    for read in readers.values():
        read(documents[0])
    for document in tqdm(documents, desc="timing", unit="document"):
        for name, read in readers.items():
            started = time.perf_counter()
            read(document)
            milliseconds[name].append(1e3 * (time.perf_counter() - started))
    return milliseconds


def scores_of(
    material: Material, runs: Sequence[Mapping[str, Any]], crf: Mapping[str, Any], bootstrap: GroupBootstrap
) -> dict[str, Any]:
    """F1 (0 to 100) of each measure: the mean over seeds, its interval, and what it is above the random field's."""
    scores: dict[str, Any] = {}
    for measure in measures(material):
        own = np.sum([np.array(run["counts"][measure]) for run in runs], axis=0)
        base = np.array(crf["counts"][measure])
        by_seed = [total(np.array(run["counts"][measure])).f1 or 0.0 for run in runs]
        scores[measure] = {
            "f1": round(100 * (total(own).f1 or 0.0), 2),
            "interval": percent(interval_json(bootstrap.interval(own, f1_of))),
            "seeds": [round(100 * value, 2) for value in by_seed],
            "above_crf": round(100 * ((total(own).f1 or 0.0) - (total(base).f1 or 0.0)), 2),
            "above_crf_interval": percent(interval_json(bootstrap.difference(own, base, f1_of))),
        }
    return scores


def percent(interval: Sequence[float] | None) -> list[float] | None:
    return None if interval is None else [round(100 * value, 2) for value in interval]
