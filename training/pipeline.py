"""From labelled documents to a task's models: check, split, align, forms, large, teacher, student, export, calibrate,
card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gateway.bases import Base, fetch, load_bases
from gateway.document import TierName
from gateway.errors import ConfigurationError, DatasetError, ModelError
from gateway.evaluation.dataset import LabelledDocument, file_digest, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import TRAINED_ON, Split
from gateway.files import write_json, write_text
from gateway.home import Home
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.base import Tier
from gateway.tiers.encoding import Encoding, TextEncoder, Window
from gateway.tiers.large.local import load_large
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import digests_of, load_student
from gateway.tiers.windows import WINDOWS, WindowChooser
from training import large, student
from training.calibrate.folds import TRAINED, make_folds, predict_out_of_fold, save_predictions
from training.calibrate.outputs import Observed, observe
from training.calibrate.task import OUT_OF_FOLD, Parts, calibrate_task, out_of_fold
from training.card import write_card
from training.data.align import align
from training.data.split import group_documents, grouping_fields, make_split
from training.evaluate import network_scorer, onnx_scorer
from training.examples import Example, make_examples
from training.export import export_student
from training.forms import learn_forms
from training.recipe import Recipe, SplitRecipe, dump_recipe
from training.run import Run, fingerprint, locked
from training.teacher import load_probabilities, save_probabilities, token_probabilities, transfer
from training.windows import FieldReport, learn_windows, windows_to_learn_from

FOLD = "fold"


@dataclass
class Pipeline:
    """One training run. ``out`` receives what serving needs; ``work`` what resuming needs."""

    home: Home
    task: TaskSpec
    recipe: Recipe
    data: Path
    unlabelled: Path | None
    out: Path
    work: Path
    command: str

    def run(self) -> Policy:
        """Do every stage that is not done.

        Raises:
            CascadeError: what is wrong, by its code; finished stages are kept.
        """
        if self.recipe.threads:
            torch.set_num_threads(self.recipe.threads)
        with locked(self.work):
            self._prepare()
            self._train_student()
            self._train_folds()
            policy = self._calibrate()
            write_text(self.out / "recipe.yaml", dump_recipe(self.recipe))
            write_card(self)
        return policy

    @property
    def stages(self) -> Run:
        return self._stages

    @property
    def fields(self) -> list[str]:
        return list(self.task.fields)

    def _read(self) -> None:
        documents = read_dataset(self.data)
        check_labels(self.task, documents)
        self.data_digest = file_digest(self.data)
        self.unlabelled_documents = read_dataset(self.unlabelled) if self.unlabelled else []
        if twice := {item.id for item in documents} & {item.id for item in self.unlabelled_documents}:
            raise DatasetError(f'the id "{min(twice)}" stands in {self.data} and in {self.unlabelled}; ids must differ')
        limit = self.recipe.student.unlabelled_limit
        if limit >= 0:
            self.unlabelled_documents = self.unlabelled_documents[:limit]
        path = self.out / "split.json"
        if not path.is_file():
            write_split(path, self.task, documents, self.recipe.split, self.data_digest)
        self.split = Split.load(path)
        self.parts: dict[str, list[LabelledDocument]] = {
            part: self.split.select(documents, part) for part in ("train", "development", "calibration")
        }
        leaked = {text for part in self.split.parts.values() for text in part.values()}
        self.unlabelled_documents = [item for item in self.unlabelled_documents if item.text_digest not in leaked]
        counts = {part: len(found) for part, found in self.parts.items()}
        print(f"documents: {counts}, unlabelled: {len(self.unlabelled_documents)}", flush=True)

    def _align(self) -> None:
        self.aligned, report = align(self.parts["train"], self.task)
        self.alignment = {name: dict(counts) for name, counts in report.counts.items()}
        for name, counts in self.alignment.items():
            print(f"  {name}: {', '.join(f'{how} {number}' for how, number in counts.items())}", flush=True)
        for identifier, name, value in report.missing[:20]:
            print(f"  not found in the text, not learned from: {identifier} {name} {value!r}", flush=True)
        if not any(spans for found in self.aligned for spans in found.values()):
            raise ConfigurationError("no labelled value was found in its text: is the data what the task describes?")
        self.forms = learn_forms(self.parts["train"], self.task)
        self.forms.save(self.out / "forms.json")

    def _choose_windows(self) -> None:
        """Learn which windows of long documents are worth reading."""
        self.chooser: WindowChooser | None = None
        self.windows_report: dict[str, FieldReport] = {}
        if self.recipe.windows.recall < 1:
            self.chooser, self.windows_report = learn_windows(
                self.parts["train"],
                self.aligned,
                list(self.task.fields.values()),
                self.encoder(self.recipe.student.base),
                recall=self.recipe.windows.recall,
            )
        for name, found in self.windows_report.items():
            print(
                f"  {name}: {found.reached:.1%} of values in the {found.read:.1%} of windows that are read", flush=True
            )
        if self.chooser is None:
            (self.out / WINDOWS).unlink(missing_ok=True)
        else:
            self.chooser.save(self.out / WINDOWS)

    def _bases(self) -> None:
        bases = load_bases(self.home)
        self.bases: dict[str, Base] = {}
        self.base_directories: dict[str, Path] = {}
        for name in {self.recipe.large.base, self.recipe.student.base}:
            if name not in bases:
                raise ConfigurationError(f"models/bases.yaml does not name the base {name!r}")
            self.bases[name] = bases[name]
            self.base_directories[name] = fetch(bases[name], self.home.cache)

    def prepare_student(self) -> None:
        """Everything up to the teacher's outputs, from what an earlier run kept: for experiments with students."""
        with locked(self.work):
            self._prepare()

    def _prepare(self) -> None:
        self._stages = Run(self.work)
        self._read()
        self._align()
        self._bases()
        self._choose_windows()
        self._train_large()
        self._ask_teacher()

    def encoder(self, base: str) -> TextEncoder:
        """The text encoder of a base, with the recipe's windows."""
        return TextEncoder(
            self.base_directories[base] / "tokenizer.json",
            window=self.recipe.window,
            stride=self.recipe.stride,
            context_tokens=self.context_tokens,
        )

    @property
    def context_tokens(self) -> int:
        """Tokens of context that the models read: none where no training document has one."""
        has_context = any(document.context for document in self.parts["train"])
        return self.recipe.context_tokens if has_context else 0

    @property
    def _reading(self) -> tuple[int | str, ...]:
        """What shapes how models read a document, for fingerprints."""
        return (self.recipe.window, self.recipe.stride, *filter(None, [self.context_tokens]), *digests_of(self.chooser))

    def _inputs(self, *more: Any) -> str:
        ids = [(item.id, item.input_digest, item.labels) for item in self.parts["train"]]
        return fingerprint(ids, self.alignment, [dict(found) for found in self.aligned], *more)

    def _examples(self, encoder: TextEncoder) -> list[Example]:
        examples: list[Example] = []
        for document, spans in zip(self.parts["train"], self.aligned, strict=True):
            encoding = encoder.encode(document.text, document.context)
            windows = self._windows(encoder, document, encoding, spans)
            examples += make_examples(encoder, encoding, spans, self.fields, windows=windows)
        return examples

    def _windows(
        self,
        encoder: TextEncoder,
        document: LabelledDocument,
        encoding: Encoding,
        spans: Mapping[str, Sequence[tuple[int, int]]],
    ) -> list[Window]:
        """The windows of a document that models learn from."""
        windows = encoder.windows(encoding)
        if self.chooser is None:
            return windows
        characters = encoding.characters(windows)
        read = set().union(*self.chooser.choose(document.text, characters, self.fields).values())
        # A document's draw depends on itself alone: all models learn from the same windows.
        rng = np.random.default_rng(int(document.text_digest, 16))
        chosen = windows_to_learn_from(windows, spans, characters, read, self.recipe.windows.negatives, rng)
        return [windows[index] for index in chosen]

    def _train_large(self) -> None:
        recipe, base = self.recipe.large, self.base_directories[self.recipe.large.base]
        tokenizer = base / "tokenizer.json"
        vocabulary = large.special_tokens(tokenizer)
        encoder = self.encoder(recipe.base)
        directory = self.out / "large"
        base_sha256 = self.bases[recipe.base].files["model.safetensors"].sha256

        inputs = self._inputs(asdict(recipe), base_sha256, *self._reading)

        def work() -> dict[str, Any]:
            network = large.build(recipe, base, len(self.fields))
            scorer = network_scorer(
                self.parts["development"], encoder, vocabulary.pad, self.task, self.forms, self.chooser
            )
            checkpoint = self.work / "large.pt"
            examples = self._examples(encoder)
            history = large.train_large(network, examples, recipe, vocabulary, checkpoint, scorer, inputs)
            large.save_adapter(
                network,
                self.recipe,
                self.fields,
                vocabulary.pad,
                tokenizer,
                base_sha256,
                directory,
                context_tokens=self.context_tokens,
            )
            return {"history": history}

        self.large_report = self.stages.stage("large", inputs, [directory / "config.json"], work)

    def _ask_teacher(self) -> None:
        base = self.recipe.large.base
        encoder = self.encoder(base)
        path = self.work / "teacher.npz"
        documents = [*self.parts["train"], *self.unlabelled_documents]

        def work() -> dict[str, Any]:
            from gateway.tiers.large.adapter import load_merged

            network = load_merged(self.out / "large", self.base_directories[base])
            pad = large.special_tokens(self.base_directories[base] / "tokenizer.json").pad
            encodings = [encoder.encode(document.text, document.context) for document in documents]
            spans = [*self.aligned, *({} for _ in self.unlabelled_documents)]
            windows = [
                self._windows(encoder, document, encoding, found)
                for document, encoding, found in zip(documents, encodings, spans, strict=True)
            ]
            found = token_probabilities(network, encoder, encodings, pad, description="teacher", windows=windows)
            save_probabilities(path, [document.id for document in documents], found)
            return {"documents": len(documents), "tokens": sum(len(encoding) for encoding in encodings)}

        digest = file_digest(self.out / "large" / "adapter.safetensors")
        inputs = fingerprint(
            digest, [(document.id, document.input_digest) for document in documents], *digests_of(self.chooser)
        )
        self.stages.stage("teacher", inputs, [path], work)
        self.teacher_path = path

    def student_examples(self, unlabelled: Sequence[LabelledDocument]) -> list[Example]:
        """Labelled examples with hard and soft targets, and unlabelled ones with soft targets alone."""
        probabilities = load_probabilities(self.teacher_path)
        teacher, encoder = self.encoder(self.recipe.large.base), self.encoder(self.recipe.student.base)
        examples: list[Example] = []
        pairs: list[tuple[LabelledDocument, Mapping[str, list[tuple[int, int]]]]] = [
            *zip(self.parts["train"], self.aligned, strict=True),
            *((document, {}) for document in unlabelled),
        ]
        for document, spans in pairs:
            encoding = encoder.encode(document.text, document.context)
            if not len(encoding):
                continue
            soft = transfer(probabilities[document.id], teacher.encode(document.text, document.context), encoding)
            windows = self._windows(encoder, document, encoding, spans)
            examples += make_examples(encoder, encoding, spans, self.fields, soft, windows)
        return examples

    def _train_student(self) -> None:
        recipe, base = self.recipe.student, self.base_directories[self.recipe.student.base]
        tokenizer = base / "tokenizer.json"
        vocabulary = large.special_tokens(tokenizer)
        encoder = self.encoder(recipe.base)
        directory = self.out / "student"
        development = self.parts["development"]

        inputs = self._inputs(asdict(recipe), file_digest(self.teacher_path), *self._reading)

        def work() -> dict[str, Any]:
            network = student.build(recipe, base, len(self.fields))
            scorer = network_scorer(development, encoder, vocabulary.pad, self.task, self.forms, self.chooser)
            examples = self.student_examples(self.unlabelled_documents)
            checkpoint = self.work / "student.pt"
            history = student.train_student(network, examples, recipe, vocabulary, checkpoint, scorer, inputs=inputs)
            config = {
                "kind": "student",
                "base": recipe.base,
                "layers": recipe.layers,
                "fields": self.fields,
                "window": self.recipe.window,
                "stride": self.recipe.stride,
                "context_tokens": self.context_tokens,
                "pad_id": vocabulary.pad,
            }
            report = export_student(
                network,
                tokenizer,
                encoder,
                [encoder.encode(document.text, document.context) for document in development[:10]],
                onnx_scorer(development, encoder, vocabulary.pad, self.task, self.forms, self.chooser),
                config,
                directory,
            )
            return {"history": history, "export": asdict(report), "examples": len(examples)}

        self.student_report = self.stages.stage("student", inputs, [directory / "config.json"], work)

    def _train_folds(self) -> None:
        """Models of each fold's other documents, and what they say of the fold: ``out_of_fold.json``."""
        recipe = self.recipe.folds
        path = self.out / OUT_OF_FOLD
        if not recipe.count:
            return
        documents = [*self.parts["train"], *self.parts["development"]]
        inputs = fingerprint(
            self._inputs(asdict(self.recipe.large), asdict(self.recipe.student), asdict(recipe)),
            [(item.id, item.input_digest, item.labels) for item in documents],
            [item.text_digest for item in self.unlabelled_documents],
            *self._reading,
        )

        def work() -> dict[str, Any]:
            folds = make_folds(documents, recipe.count, recipe.seed)
            observed = predict_out_of_fold(folds, self._run_fold)
            about = {"folds": [len(fold) for fold in folds], "seed": recipe.seed, "data_sha256": self.data_digest}
            numbers = {item.id: number for number, fold in enumerate(folds) for item in fold}
            save_predictions(path, self.task, observed, about, numbers)
            return {"documents": len(observed), **about}

        self.stages.stage("folds", inputs, [path], work)

    def _run_fold(
        self, number: int, rest: Sequence[LabelledDocument], held_out: Sequence[LabelledDocument]
    ) -> list[Observed]:
        directory = self.work / "folds" / str(number)
        out = directory / "models"
        digests = {
            part: {item.id: item.text_digest for item in found} for part, found in (("train", rest), (FOLD, held_out))
        }
        # A few of the fold's documents show how the training goes; nothing is chosen by them.
        shown = dict(list(digests[FOLD].items())[:16])
        others = {part: ids for part, ids in self.split.parts.items() if part not in TRAINED_ON}
        write_json(
            out / "split.json",
            {
                "task": self.task.name,
                "seed": self.split.seed,
                "about": {**self.split.about, "fold": number},
                "parts": {**digests, "development": shown, **others},
                "groups": self.split.groups,
            },
        )
        limit = self.recipe.folds.unlabelled_limit
        student_recipe = self.recipe.student
        if limit >= 0:
            student_recipe = replace(student_recipe, unlabelled_limit=limit)
        fold = replace(self, recipe=replace(self.recipe, student=student_recipe), out=out, work=directory / "work")
        print(f"[folds] {number + 1} of {self.recipe.folds.count}", flush=True)
        with locked(fold.work):
            fold._prepare()
            fold._train_student()
            tiers = {name: tier for name, tier in fold.tiers().items() if name in TRAINED}
            return observe(tiers, held_out, self.task, fold.work / "outputs")

    def tiers(self) -> dict[TierName, Tier]:
        """All three tiers as the gateway would serve them from ``out``; a rules tier that cannot be loaded is an
        error.
        """
        base = self.bases[self.recipe.large.base]
        loaded: dict[TierName, Tier] = {
            "rules": RulesTier.load(self.home.rules, self.task),
            "student": load_student(self.out / "student", self.task, self.forms, chooser=self.chooser),
        }
        try:
            loaded["large"] = load_large(
                self.out / "large", self.task, self.forms, base, self.home.cache, chooser=self.chooser
            )
        except ModelError as error:
            print(f"calibrating without the large tier: {error.message}", flush=True)
        return loaded

    def _calibrate(self) -> Policy:
        print("[calibrate] …", flush=True)
        learned_from = [*self.parts["train"], *self.parts["development"]]
        known = out_of_fold(self.out / OUT_OF_FOLD, self.task, self.forms, learned_from)
        calibrated = calibrate_task(
            self.task,
            self.tiers(),
            Parts.of(self.split, [*learned_from, *self.parts["calibration"]], "calibration", known),
            self.recipe.targets,
            self.work / "outputs",
            {"command": self.command, "data_sha256": self.data_digest},
        )
        calibrated.policy.save(self.out / "policy.json")
        return calibrated.policy


def write_split(
    path: Path, task: TaskSpec, documents: Sequence[LabelledDocument], recipe: SplitRecipe, data_digest: str
) -> None:
    """Divide documents into the parts and write them down, once for good.

    Raises:
        DatasetError: too few documents to leave any for a part that is needed; nothing is written then.
    """
    keys = recipe.group_by or grouping_fields(documents, task)
    groups = group_documents(documents, keys)
    parts = make_split(documents, groups, recipe.seed)
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
