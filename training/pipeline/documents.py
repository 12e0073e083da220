"""The stages before anything is trained: documents are read and divided, their labels found in the texts, and windows
of long documents chosen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.document import Span
from gateway.errors import ConfigurationError, DatasetError
from gateway.evaluation.dataset import LabelledDocument, file_digest, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import Split
from gateway.files import replacing, write_json
from gateway.tiers.encoding import Encoding, TextEncoder, Window
from gateway.tiers.forms import Forms
from gateway.tiers.windows import WINDOWS, WindowChooser
from training.data.align import align
from training.forms import learn_forms
from training.pipeline.split import write_split
from training.run import fingerprint
from training.windows import FieldReport, learn_windows, windows_to_learn_from

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline

LEARNED_FROM = ("train", "development", "calibration")
#: Values that were not found and are named; more are counted.
_NAMED = 20


def read(run: Pipeline) -> None:
    """Read labelled and unlabelled documents and divide the labelled ones; the split is made once.

    Raises:
        DatasetError: a file cannot be read, does not fit task or split, or is too small to divide.
    """
    documents = read_dataset(run.data)
    check_labels(run.task, documents)
    run.documents = documents
    run.data_digest = file_digest(run.data)
    unlabelled = read_dataset(run.unlabelled) if run.unlabelled else []
    if twice := {item.id for item in documents} & {item.id for item in unlabelled}:
        raise DatasetError(f'the id "{min(twice)}" stands in {run.data} and in {run.unlabelled}; ids must differ')
    limit = run.recipe.student.unlabelled_limit
    unlabelled = unlabelled if limit < 0 else unlabelled[:limit]
    path = run.out / "split.json"
    if run.workers.first:
        _settle_split(run, documents)
    run.workers.told(None)
    run.split = Split.load(path)
    run.parts = {part: run.split.select(documents, part) for part in LEARNED_FROM}
    run.labelled = run.parts["train"]
    leaked = {text for part in run.split.parts.values() for text in part.values()}
    run.unlabelled_documents = [item for item in unlabelled if item.text_digest not in leaked]
    counts = {part: len(found) for part, found in run.parts.items()}
    print(f"documents: {counts}, unlabelled: {len(run.unlabelled_documents)}", flush=True)


def _settle_split(run: Pipeline, documents: Sequence[LabelledDocument]) -> None:
    """See to it that split.json lies beside the models; where the task has one already, rules were written by it."""
    path, kept = run.out / "split.json", run.kept_split
    if not path.is_file() and kept is not None and kept.is_file():
        with replacing(path) as temporary:
            shutil.copyfile(kept, temporary)
    if not path.is_file():
        write_split(path, run.task, documents, run.recipe.split, run.data_digest)
    if kept is not None and not kept.is_file():
        with replacing(kept) as temporary:
            shutil.copyfile(path, temporary)


def find_labels(run: Pipeline) -> None:
    """Find the labelled values of the training part in its texts, and learn how known values are written.

    Raises:
        ConfigurationError: none was found.
    """
    kept, forms = run.work / "aligned.json", run.out / "forms.json"
    train = run.parts["train"]
    inputs = fingerprint(
        [(item.id, item.text_digest, item.labels, item.spans) for item in train], run.task_digest, "align 2"
    )

    def work() -> dict[str, Any]:
        aligned, report = align(train, run.task)
        if not any(spans for found in aligned for spans in found.values()):
            raise ConfigurationError(
                "no labelled value was found in its text: is the data what the task describes? `cascade data check"
                f" {run.data} --task {run.task.name}` shows what was looked for"
            )
        learn_forms(train, run.task, aligned).save(forms)
        write_json(kept, [{name: list(spans) for name, spans in found.items()} for found in aligned])
        return {
            "counts": {name: dict(counts) for name, counts in report.counts.items()},
            "missing": [list(item) for item in report.missing[:_NAMED]],
        }

    report = run.stages.stage("align", inputs, [kept, forms], work)
    run.aligned = [
        {name: [(int(start), int(end)) for start, end in spans] for name, spans in found.items()}
        for found in json.loads(kept.read_text("utf-8"))
    ]
    run.forms = Forms.load(forms)
    run.alignment = report["counts"]
    for name, counts in run.alignment.items():
        print(f"  {name}: {', '.join(f'{how} {number}' for how, number in counts.items())}", flush=True)
        if set(counts) == {"missing"}:
            print(
                f"  {name}: none of its {counts['missing']} values stands in its text, so models cannot learn it and"
                " will be trusted with it nowhere: correct the labels or the field's type, or give it rules",
                flush=True,
            )
    for identifier, name, value in report["missing"]:
        print(f"  not found in the text, not learned from: {identifier} {name} {value!r}", flush=True)


def choose_windows(run: Pipeline) -> None:
    """Learn which windows of long documents are worth reading."""
    path, kept = run.out / WINDOWS, run.work / WINDOWS
    run.chooser, run.windows_report = None, {}
    if run.recipe.windows.recall < 1:
        encoder = run.encoder(run.recipe.student.base)
        reading = (run.recipe.windows.recall, run.recipe.window, run.recipe.stride, run.context_tokens)

        def work() -> dict[str, Any]:
            chooser, reports = learn_windows(
                run.parts["train"],
                run.aligned,
                list(run.task.fields.values()),
                encoder,
                recall=run.recipe.windows.recall,
            )
            if chooser is None:
                write_json(kept, None)
            else:
                chooser.save(kept)
            return {name: asdict(found) for name, found in reports.items()}

        fields = run.stages.stage("windows", run.inputs("windows 1", *reading), [kept], work)
        run.windows_report = {name: FieldReport(**found) for name, found in fields.items()}
        if kept.read_text("utf-8").strip() != "null":
            run.chooser = WindowChooser.load(kept)
    if run.workers.first:
        if run.chooser is None:
            path.unlink(missing_ok=True)
        else:
            run.chooser.save(path)
    run.workers.told(None)
    for name, found in run.windows_report.items():
        print(f"  {name}: {found.reached:.1%} of values in the {found.read:.1%} of windows that are read", flush=True)


def windows_of(
    run: Pipeline,
    encoder: TextEncoder,
    document: LabelledDocument,
    encoding: Encoding,
    spans: Mapping[str, Sequence[Span]],
) -> list[Window]:
    """The windows of a document that models learn from."""
    windows = encoder.windows(encoding)
    if run.chooser is None:
        return windows
    characters = encoding.characters(windows)
    read = set().union(*run.chooser.choose(document.text, characters, run.fields).values())
    # A document's draw depends on itself alone: all models learn from the same windows.
    rng = np.random.default_rng(int(document.text_digest, 16))
    chosen = windows_to_learn_from(windows, spans, characters, read, run.recipe.windows.negatives, rng)
    return [windows[index] for index in chosen]
