"""One training run: the order of its stages, and what they hand on to one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gateway.bases import Base, base_directory, fetch, load_bases
from gateway.document import Span, TierName
from gateway.errors import ConfigurationError, ModelError
from gateway.evaluation.dataset import LabelledDocument, file_digest
from gateway.evaluation.split import Split
from gateway.files import write_text
from gateway.home import Home
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.base import Tier
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.forms import Forms
from gateway.tiers.large.local import load_large
from gateway.tiers.large.network import FieldTagger
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import digests_of, load_student
from gateway.tiers.windows import WindowChooser
from training.examples import Example
from training.outlook import Outlook
from training.parallel import Workers
from training.pipeline import documents, models, planning, selecting, sizing
from training.pipeline.calibrating import calibrate_stage
from training.pipeline.checking import check
from training.pipeline.folds import fold_count, folds_stage
from training.pipeline.reporting import report_stage
from training.pipeline.stage import Stage
from training.recipe import Recipe, StudentRecipe, dump_recipe
from training.run import Run, claimed, fingerprint, locked
from training.windows import FieldReport

CPU = torch.device("cpu")


@dataclass
class Pipeline:
    """One training run. ``out`` receives what serving needs; ``work`` what resuming needs.

    Args:
        home: rules, bases, and tasks.
        task: what is trained.
        recipe: how.
        data, unlabelled: files of documents.
        command: what was typed, for the card.
        kept_split: where the task's split.json lies, if not in ``out``: what is there is used, and what is made is put
            there too.
        device: where models are trained.
        workers: the processes that train together; see :mod:`training.parallel`.
        outlook: how long everything will take.
        within: the fold this is, for the outlook.

    The other attributes are what stages found; each is there once its stage is done.
    """

    home: Home
    task: TaskSpec
    recipe: Recipe
    data: Path
    unlabelled: Path | None
    out: Path
    work: Path
    command: str
    kept_split: Path | None = None
    device: torch.device = CPU
    workers: Workers = field(default_factory=Workers)
    outlook: Outlook = field(default_factory=Outlook)
    within: str = ""

    stages: Run = field(init=False)
    check_report: dict[str, Any] = field(init=False)
    bases: dict[str, Base] = field(init=False)
    base_directories: dict[str, Path] = field(init=False)
    #: All labelled documents; those of the training part, and of each part what is learned from.
    documents: list[LabelledDocument] = field(init=False)
    labelled: list[LabelledDocument] = field(init=False)
    parts: dict[str, list[LabelledDocument]] = field(init=False)
    unlabelled_documents: list[LabelledDocument] = field(init=False)
    split: Split = field(init=False)
    data_digest: str = field(init=False)
    #: Where the values of ``parts["train"]`` stand, and how they were found.
    aligned: list[dict[str, list[Span]]] = field(init=False)
    alignment: dict[str, dict[str, int]] = field(init=False)
    forms: Forms = field(init=False)
    chooser: WindowChooser | None = field(init=False)
    windows_report: dict[str, FieldReport] = field(init=False)
    #: Which documents were chosen, and which size; ``None`` where the recipe asks for neither.
    select_report: dict[str, Any] | None = field(init=False)
    size_report: dict[str, Any] | None = field(init=False)
    #: The student's recipe with its size settled.
    student_recipe: StudentRecipe = field(init=False)
    student_tokenizer: Path = field(init=False)
    trained_student: FieldTagger | None = field(init=False)
    large_report: dict[str, Any] = field(init=False)
    student_report: dict[str, Any] = field(init=False)
    calibration: dict[str, Any] = field(init=False)
    #: What was measured on the parts that nothing was made from.
    validation: dict[str, Any] = field(init=False)

    def run(self, *, plan_only: bool = False) -> Policy | None:
        """Do every stage that is not done; with ``plan_only`` only those that say how long the others would take.

        Raises:
            CascadeError: what is wrong, by its code; finished stages are kept.
        """
        if self.recipe.threads:
            torch.set_num_threads(self.recipe.threads)
        with self.held():
            self._prepare(checked=True)
            ahead = [*self._training(), *self._folds(), calibrate_stage(self), report_stage(self)]
            self._plan(ahead)
            if plan_only:
                return None
            self._train()
            for stage in self._folds():
                self._do(stage)
            self.calibration = self._do(calibrate_stage(self))
            if self.workers.first:
                write_text(self.out / "recipe.yaml", dump_recipe(self.recipe))
            self.validation = self._do(report_stage(self))["validation"]
            return Policy.load(self.out / "policy.json")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the work and the output directory, so that no other run writes to them.

        Raises:
            DirectoryInUse: another run does.
        """
        if not self.workers.first:
            yield
            return
        with locked(self.work), claimed(self.out):
            yield

    def train(self) -> None:
        """Models alone, from documents that were divided before."""
        self._prepare(checked=False)
        self._train()

    def prepare_student(self) -> None:
        """Everything up to the teacher's outputs, from what an earlier run kept: for experiments with students."""
        with self.held():
            self._prepare(checked=False)
            self.large_report = self._do(models.large_stage(self))
            self._do(models.teacher_stage(self))

    def _prepare(self, *, checked: bool) -> None:
        """Everything before models are trained."""
        self.stages = Run(self.work, self.workers, self.outlook, self.within)
        self.trained_student = None
        self.select_report = self.size_report = None
        self._find_bases()
        if checked:
            self.check_report = check(self)
        documents.read(self)
        self._fetch_bases()
        self.student_recipe = self.recipe.student
        self.student_tokenizer = self.base_directories[self.recipe.student.base] / "tokenizer.json"
        documents.find_labels(self)
        documents.choose_windows(self)
        if self.recipe.select:
            self.select_report = self._do(selecting.select_stage(self))
            selecting.settle(self, self.select_report)
        if self.recipe.student.size:
            self.size_report = self._do(sizing.size_stage(self))
            sizing.settle(self, self.size_report)

    def _training(self) -> list[Stage]:
        return [
            models.large_stage(self),
            models.teacher_stage(self),
            models.student_stage(self),
            models.export_stage(self),
        ]

    def _folds(self) -> list[Stage]:
        return [folds_stage(self)] if fold_count(self, [*self.labelled, *self.parts["development"]]) else []

    def _train(self) -> None:
        self.large_report = self._do(models.large_stage(self))
        self._do(models.teacher_stage(self))
        self.student_report = self._do(models.student_stage(self))
        # A version before this one exported within the stage of the student.
        if "export" not in self.student_report or not (self.out / "student" / "config.json").is_file():
            self.student_report = {**self.student_report, "export": self._do(models.export_stage(self))}

    def _do(self, stage: Stage) -> dict[str, Any]:
        return self.stages.stage(stage.name, stage.inputs(), stage.outputs, stage.work, every_worker=stage.every_worker)

    def _plan(self, stages: Sequence[Stage]) -> None:
        """Say what is to be done and how long it is likely to take."""
        if not self.workers.first:
            return
        lines = planning.undone(self, stages)
        seconds = planning.estimate(self, lines)
        planning.show(self, lines, seconds)
        self.outlook.expect(seconds)

    def _find_bases(self) -> None:
        known = load_bases(self.home)
        self.bases = {}
        for name in (self.recipe.large.base, self.recipe.student.base):
            if name not in known:
                raise ConfigurationError(f"models/bases.yaml does not name the base {name!r}")
            self.bases[name] = known[name]

    def _fetch_bases(self) -> None:
        """Bring the bases here before anything that takes long."""
        self.base_directories = {}
        for name, base in self.bases.items():
            found = fetch(base, self.home.cache) if self.workers.first else base_directory(self.home.cache, base)
            self.workers.told(None)
            self.base_directories[name] = found

    @property
    def fields(self) -> list[str]:
        return list(self.task.fields)

    @property
    def task_digest(self) -> str:
        """What the task's file says, by its SHA-256."""
        return file_digest(self.home.rules / self.task.name / "task.yaml")

    @property
    def teacher_path(self) -> Path:
        """The large tier's probabilities, by document."""
        return self.work / "teacher.npz"

    @property
    def states_path(self) -> Path:
        """Its hidden states, by document, where the student learns from their relations."""
        return self.work / "teacher-states.npz"

    @property
    def context_tokens(self) -> int:
        """Tokens of context that the models read: none where no training document has one."""
        return self.recipe.context_tokens if any(document.context for document in self.labelled) else 0

    @property
    def reading(self) -> tuple[int | str, ...]:
        """What shapes how models read a document, for fingerprints."""
        return (self.recipe.window, self.recipe.stride, *filter(None, [self.context_tokens]), *digests_of(self.chooser))

    def inputs(self, *more: Any) -> str:
        """A fingerprint of the training part, its labels and where they stand, and of ``more``."""
        ids = [(item.id, item.input_digest, item.labels) for item in self.parts["train"]]
        return fingerprint(ids, self.alignment, [dict(found) for found in self.aligned], *more)

    def encoder(self, base: str) -> TextEncoder:
        """The text encoder of a base, with the recipe's windows."""
        return self._encoder(self.base_directories[base] / "tokenizer.json")

    def student_encoder(self) -> TextEncoder:
        """The student's, with its own word pieces where its family has them."""
        return self._encoder(self.student_tokenizer)

    def _encoder(self, tokenizer: Path) -> TextEncoder:
        return TextEncoder(
            tokenizer, window=self.recipe.window, stride=self.recipe.stride, context_tokens=self.context_tokens
        )

    def student_examples(self, unlabelled: Sequence[LabelledDocument]) -> list[Example]:
        """Labelled examples with hard and soft targets, and unlabelled ones with soft targets alone."""
        return models.student_examples(self, unlabelled)

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
