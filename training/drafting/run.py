"""Drafting the rules of a task: the training part alone is read, files are checked before any is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from gateway.errors import AlreadyThere, DatasetError, InvalidRequest
from gateway.evaluation.dataset import LabelledDocument, file_digest, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import TRAINED_ON, Split
from gateway.files import write_text
from gateway.home import Home
from gateway.task import TaskSpec
from gateway.tiers.rules.compiling import BUILT_IN, CompiledRule
from gateway.tiers.rules.lint import check_task
from training.drafting.drafting import Drafted, FieldDraft, draft_field, make_folds
from training.drafting.examples import examples_for
from training.drafting.occurrences import FieldCorpus, field_corpus
from training.drafting.rule_file import WrittenRule, field_yaml, lookup_files, rule_names
from training.drafting.scoring import Runner
from training.drafting.selecting import Demand

#: Taking out what the linter finds fault with can make it find more: a rule's shadow goes, another's comes.
_MOST_ROUNDS = 6


@dataclass(frozen=True)
class DraftSettings:
    """What is asked of the drafted rules.

    Attributes:
        precision: the share of right answers that a rule must have; ``None``: the field's quality. Beside models a rule
            that is right less often is accepted by nobody.
        confidence: how sure that must be.
        folds: into how many parts documents are divided to score rules on what they were not made from.
        most_rules: the most rules a field gets.
        seed: decides the folds.
    """

    precision: float | None = None
    confidence: float = Demand.confidence
    folds: int = 5
    most_rules: int = 12
    seed: int = 1

    def demand(self, task: TaskSpec, name: str) -> Demand:
        """What a rule for this field must hold."""
        return Demand(task.qualities()[name] if self.precision is None else self.precision, self.confidence)


@dataclass(frozen=True)
class Written:
    """What became of one field: its draft, the rules that stand in its file, and the files' contents by name."""

    draft: FieldDraft
    rules: tuple[WrittenRule, ...]
    files: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        unseen = self.draft.unseen
        return {
            "documents": self.draft.documents,
            "valued": self.draft.valued,
            "proposed": self.draft.proposed,
            "unseen": {"expected": unseen.expected, "answered": unseen.answered, "right": unseen.right},
            "rules": [
                {
                    "id": rule.identifier,
                    "from": rule.drafted.candidate.origin,
                    "found": rule.drafted.figures.found,
                    "right": rule.drafted.figures.right,
                    "lower_bound": round(rule.drafted.figures.lower_bound, 4),
                }
                for rule in self.rules
            ],
            "files": sorted(self.files),
        }


def training_documents(home: Home, task: TaskSpec, data: Path, part: str = "train") -> list[LabelledDocument]:
    """The documents of one part that rules may be made from. Where the task has no split yet, it is made first.

    Raises:
        InvalidRequest: the part is kept for measuring.
        DatasetError: the data cannot be read, fits neither task nor split, or is too little to divide.
    """
    if part not in TRAINED_ON:
        raise InvalidRequest(
            f"rules are not made from the part {part!r}: figures on it would be worth nothing. Choose train"
        )
    documents = read_dataset(data)
    check_labels(task, documents)
    path = home.models / task.name / "split.json"
    if not path.is_file():
        # Imported here: the pipeline needs torch, and a task that has its split does not.
        from training.pipeline import write_split
        from training.recipe import load_recipe, recipe_of

        write_split(path, task, documents, load_recipe(recipe_of(task.name)).split, file_digest(data))
    return Split.load(path).select(documents, part)


def library_of(rules: Path) -> dict[str, str]:
    """The recognisers that rules of this home can name, the value types' own among them; bad files count for nothing,
    because `cascade rules check` is there to say so."""
    library = dict(BUILT_IN)
    for path in sorted((rules / "library").glob("*.yaml")):
        try:
            raw = yaml.safe_load(path.read_text("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        recognisers = raw.get("recognisers") if isinstance(raw, dict) else None
        for name, recogniser in (recognisers if isinstance(recognisers, dict) else {}).items():
            if isinstance(recogniser, dict) and isinstance(recogniser.get("pattern"), str):
                library[str(name)] = recogniser["pattern"]
    return library


def draft_rules(
    rules: Path,
    task: TaskSpec,
    documents: Sequence[LabelledDocument],
    fields: Sequence[str] = (),
    settings: DraftSettings | None = None,
    *,
    progress: bool = False,
) -> dict[str, Written]:
    """Rules for fields of a task, checked and ready to be written; nothing is written here.

    Args:
        rules: the home's ``rules`` directory: for the task's file and the library.
        task: the task.
        documents: what rules are made from and scored on, fold by fold.
        fields: the fields; all where none is named.
        settings: what is asked of the rules.
        progress: whether to show bars with the time left.

    Raises:
        DatasetError: there are fewer documents than folds, or several values for a single field.
        UnknownField: the task has no such field.
    """
    settings = settings or DraftSettings()
    names = task.check_fields(list(fields) or None)
    if len(documents) < settings.folds:
        raise DatasetError(f"{len(documents)} documents cannot be divided into {settings.folds} folds: label more")
    folds = make_folds([document.text for document in documents], settings.folds, settings.seed)
    if len(folds) < 2:
        raise DatasetError("all documents have nearly the same text: rules made from one cannot be tried on another")
    library = library_of(rules)
    written: dict[str, Written] = {}
    with tqdm(total=2 * len(documents) * len(names), unit="document", disable=not progress) as bar:
        for name in names:
            bar.set_description(name)
            corpus, demand = field_corpus(documents, task, name), settings.demand(task, name)
            draft = draft_field(corpus, folds, library, demand, most=settings.most_rules, tick=bar.update)
            written[name] = _with_examples(rules, corpus, draft, library, demand, settings.folds)
    return written


def _with_examples(
    rules: Path, corpus: FieldCorpus, draft: FieldDraft, library: Mapping[str, str], demand: Demand, folds: int
) -> Written:
    """The draft's rules that can be shown at work and pass the linter."""
    runner = Runner(corpus, library)
    kept: list[Drafted] = list(draft.rules)
    for _ in range(_MOST_ROUNDS):
        shown: list[WrittenRule] = []
        before: list[CompiledRule] = []
        for identifier, drafted in zip(rule_names(kept), kept, strict=True):
            compiled = runner.compile(drafted.candidate, identifier)
            examples = examples_for(compiled, before, corpus) if compiled is not None else []
            if compiled is None or not examples:
                continue
            shown.append(WrittenRule(identifier, drafted, tuple(examples)))
            before.append(compiled)
        files = _files(draft, shown, demand, folds)
        faulty = _faulty(rules, corpus, files) if shown else set()
        if not faulty:
            return Written(draft, tuple(shown), files)
        kept = [rule.drafted for rule in shown if rule.identifier not in faulty]
    return Written(draft, (), {})


def _files(draft: FieldDraft, rules: Sequence[WrittenRule], demand: Demand, folds: int) -> dict[str, str]:
    if not rules:
        return {}
    contents, names = lookup_files(draft.field, rules)
    text = field_yaml(draft, rules, names, demand, folds)
    # Lookups first: a server that takes files up while they are written finds what a rule names.
    return {**contents, f"{draft.field}.yaml": text}


def _faulty(rules: Path, corpus: FieldCorpus, files: Mapping[str, str]) -> set[str]:
    """Ids of rules that the linter finds fault with, in a copy that holds nothing else."""
    name, field = corpus.task.name, corpus.spec.name
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "rules"
        (copy / name).mkdir(parents=True)
        if (rules / "library").is_dir():
            shutil.copytree(rules / "library", copy / "library")
        shutil.copy(rules / name / "task.yaml", copy / name / "task.yaml")
        for file, content in files.items():
            (copy / name / file).write_text(content, "utf-8")
        findings = check_task(copy, name)
    here = [finding for finding in findings if finding.rule and finding.rule.startswith(f"{field}/")]
    return {str(finding.rule).partition("/")[2] for finding in here}


def write_rules(directory: Path, written: Mapping[str, Written], *, force: bool = False) -> list[Path]:
    """Write drafted files into a task's directory; returns their paths. Fields without a rule get no file.

    Raises:
        AlreadyThere: a field has rules already; nothing was written.
    """
    targets = [(directory / name, content) for item in written.values() for name, content in item.files.items()]
    there = [path for path, _ in targets if path.exists()]
    if there and not force:
        raise AlreadyThere(
            f"{there[0]} is there already; nothing was written. Draft other fields with --fields, write elsewhere with"
            " --out, or pass --force to replace it"
        )
    for path, content in targets:
        write_text(path, content)
    return [path for path, _ in targets]
