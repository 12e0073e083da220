"""What experiments are made on: a task's documents, divided, and the same documents as a student family reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.bases import fetch, load_bases
from gateway.document import Span
from gateway.errors import ConfigurationError
from gateway.evaluation.dataset import LabelledDocument, file_digest, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import Split
from gateway.files import write_text
from gateway.home import Home
from gateway.task import TaskSpec
from gateway.tiers.encoding import Encoding, TextEncoder
from gateway.tiers.forms import Forms
from training.data.align import align
from training.data.split import group_documents, grouping_fields, make_split
from training.examples import BEGIN, IGNORE, INSIDE, OUTSIDE, Example, make_examples, token_range
from training.experiments.digests import code_digest, plain, short
from training.experiments.plateau import WITHHELD_SEED, WITHHELD_SHARE
from training.families import Family, student_tokenizer
from training.families.vocabulary import TOKENIZER
from training.forms import learn_forms
from training.large import special_tokens
from training.loop import Vocabulary
from training.recipe import SplitRecipe
from training.teacher import load_probabilities, transfer

#: Tokens of context that students read where documents have one.
CONTEXT_TOKENS = 32


@dataclass(frozen=True)
class Teacher:
    """Token probabilities by document id, and the tokenizer whose tokens they are of."""

    probabilities: Mapping[str, NDArray[np.float32]]
    tokenizer: Path


@dataclass
class View:
    """The documents as one tokenizer cuts them.

    ``examples``: those of each training document; ``development``: tokens of the development documents, and
    ``targets``, their tags ``[tokens, fields]``, ``IGNORE`` where nothing is annotated.
    """

    tokenizer: Path
    encoder: TextEncoder
    vocabulary: Vocabulary
    encodings: list[Encoding]
    examples: list[list[Example]]
    development: list[Encoding]
    targets: list[NDArray[np.int64]]

    def of(self, documents: Sequence[int] | None) -> list[Example]:
        """The examples of these training documents; of all by default."""
        chosen = range(len(self.examples)) if documents is None else documents
        return [example for index in chosen for example in self.examples[index]]


@dataclass
class Material:
    """A task's training documents, and those that students are judged on: ``development``, the development part and
    what was withheld of the training part. The other parts of the split are not looked at.

    Args:
        train, development: the documents; ``spans`` and ``development_spans`` say where their values stand.
        base: the directory of the base that students start from.
        work: where tokenizers and scores are kept.
        inputs: a digest of what was read beside documents and base: how they were divided, and the teacher.
    """

    task: TaskSpec
    train: list[LabelledDocument]
    spans: list[dict[str, list[Span]]]
    development: list[LabelledDocument]
    development_spans: list[dict[str, list[Span]]]
    base: Path
    work: Path
    data_digest: str
    teacher: Teacher | None = None
    inputs: str = ""
    _views: dict[Path, View] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """A digest of everything here that decides results: task, documents and their labels, base, teacher, code."""
        weights = self.base / "model.safetensors"
        return short(
            plain(self.task),
            [[(item.id, item.input_digest, item.labels) for item in part] for part in (self.train, self.development)],
            [self.spans, self.development_spans],
            file_digest(weights) if weights.is_file() else "",
            self.inputs,
            code_digest(),
        )

    @cached_property
    def forms(self) -> Forms:
        """How known values are written, learned from the training part."""
        return self.forms_of(None)

    def forms_of(self, documents: Sequence[int] | None) -> Forms:
        """How known values are written, learned from these training documents alone: what the others' labels say is
        hidden from who learns from these."""
        if documents is None:
            return learn_forms(self.train, self.task, self.spans)
        return learn_forms(
            [self.train[index] for index in documents], self.task, [self.spans[index] for index in documents]
        )

    @property
    def fields(self) -> list[str]:
        return list(self.task.fields)

    @cached_property
    def present(self) -> list[frozenset[str]]:
        """For every training document the fields that have a value in it."""
        return [frozenset(name for name, spans in found.items() if spans) for found in self.spans]

    @property
    def texts(self) -> list[str]:
        """Everything students may read of the training part: its labels may be hidden, its texts are not."""
        return [text for document in self.train for text in (document.text, document.context) if text]

    def view(self, family: Family) -> View:
        """The documents as this family reads them; made once for each tokenizer."""
        path = self.work / f"tokenizer-{self.task.name}-{self.digest}.json"
        if family.pieces == "all":
            tokenizer = self.base / TOKENIZER
        elif path in self._views:
            tokenizer = path
        else:
            tokenizer = student_tokenizer(family, self.base, self.texts, path)
        if tokenizer not in self._views:
            self._views[tokenizer] = self._view(tokenizer)
        return self._views[tokenizer]

    def _view(self, tokenizer: Path) -> View:
        context = any(document.context for document in self.train)
        encoder = TextEncoder(tokenizer, context_tokens=CONTEXT_TOKENS if context else 0)
        encodings = [encoder.encode(document.text, document.context) for document in self.train]
        soft = self._soft(encodings)
        development = [encoder.encode(document.text, document.context) for document in self.development]
        return View(
            tokenizer,
            encoder,
            special_tokens(tokenizer),
            encodings,
            [
                make_examples(encoder, encoding, spans, self.fields, said)
                for encoding, spans, said in zip(encodings, self.spans, soft, strict=True)
            ],
            development,
            [
                tags_of(encoding, spans, self.fields)
                for encoding, spans in zip(development, self.development_spans, strict=True)
            ],
        )

    def _soft(self, encodings: Sequence[Encoding]) -> list[NDArray[np.float32] | None]:
        if self.teacher is None:
            return [None] * len(encodings)
        source = TextEncoder(self.teacher.tokenizer)
        known = self.teacher.probabilities
        return [
            transfer(known[document.id], source.encode(document.text), encoding) if document.id in known else None
            for document, encoding in zip(self.train, encodings, strict=True)
        ]


def tags_of(encoding: Encoding, spans: Mapping[str, Sequence[Span]], fields: Sequence[str]) -> NDArray[np.int64]:
    """``[tokens, fields]`` tags of a document; ``IGNORE`` where a field is not annotated."""
    found = np.full((len(encoding), len(fields)), IGNORE, dtype=np.int64)
    for column, name in enumerate(fields):
        if name not in spans:
            continue
        found[:, column] = OUTSIDE
        for start, end in spans[name]:
            tokens = token_range(encoding.offsets, start, end)
            if tokens is not None:
                found[tokens[0] : tokens[1], column] = INSIDE
                found[tokens[0], column] = BEGIN
    return found


def load_material(
    home: Home,
    task: str,
    data: Path,
    work: Path,
    *,
    base: str = "all-MiniLM-L6-v2",
    teacher: Path | None = None,
    teacher_base: str = "all-mpnet-base-v2",
    limit: int | None = None,
    withheld: int = 0,
) -> Material:
    """Read a task's data and divide it as ``cascade train`` does: by the task's split.json, or by one of the same kind.

    Args:
        teacher: token probabilities that :func:`training.teacher.save_probabilities` wrote, of a model on
            ``teacher_base``.
        limit: most documents of each part, for a trial; they are spread evenly over it.
        withheld: documents of the training part that nothing learns from and that are judged beside those of the
            development part; at most a fifth of it, in whole groups of the split.

    Raises:
        DatasetError: the data cannot be read, or does not fit the split.
        ConfigurationError: an unknown base, or no value stands in its text.
    """
    spec = home.task(task)
    documents = read_dataset(data)
    check_labels(spec, documents)
    digest = file_digest(data)
    split = _split(home, spec, documents, work, digest)
    parts = [split.select(documents, part) for part in ("train", "development")]
    kept, withdrawn = withhold(parts[0], split, withheld)
    parts = [spread(part, limit) for part in (kept, [*parts[1], *withdrawn])]
    aligned = [align(part, spec)[0] for part in parts]
    if not any(spans for found in aligned[0] for spans in found.values()):
        raise ConfigurationError(f"{data}: no labelled value stands in its text; `cascade data check` says more")
    bases = load_bases(home)
    for name in (base, teacher_base) if teacher else (base,):
        if name not in bases:
            raise ConfigurationError(f"models/bases.yaml does not name the base {name!r}")
    asked = None
    if teacher is not None:
        tokenizer = fetch(bases[teacher_base], home.cache, progress=False) / TOKENIZER
        asked = Teacher(load_probabilities(teacher), tokenizer)
    return Material(
        spec,
        parts[0],
        aligned[0],
        parts[1],
        aligned[1],
        fetch(bases[base], home.cache, progress=False),
        work,
        digest,
        asked,
        short(split.parts, file_digest(teacher) if teacher else ""),
    )


def spread(documents: Sequence[LabelledDocument], limit: int | None) -> list[LabelledDocument]:
    """At most so many documents, evenly from the first to the last: files are often sorted by kind."""
    if limit is None or limit >= len(documents):
        return list(documents)
    return [documents[index] for index in np.linspace(0, len(documents) - 1, limit).round().astype(int)]


def withhold(
    documents: Sequence[LabelledDocument], split: Split, count: int
) -> tuple[list[LabelledDocument], list[LabelledDocument]]:
    """The documents to learn from, and about ``count`` to be judged: whole groups, the same whatever the seed of a run.

    At most a share of :data:`WITHHELD_SHARE` is withheld, and no group larger than a tenth of what is asked for.
    """
    count = min(count, int(WITHHELD_SHARE * len(documents)))
    groups: dict[str, list[int]] = {}
    for index, document in enumerate(documents):
        groups.setdefault(split.group_of(document), []).append(index)
    names = sorted(groups)
    chosen: set[int] = set()
    for place in np.random.default_rng(WITHHELD_SEED).permutation(len(names)):
        members = groups[names[place]]
        if len(members) <= max(1, count // 10) and len(chosen) + len(members) <= count:
            chosen.update(members)
    return (
        [item for index, item in enumerate(documents) if index not in chosen],
        [item for index, item in enumerate(documents) if index in chosen],
    )


def _split(home: Home, task: TaskSpec, documents: Sequence[LabelledDocument], work: Path, digest: str) -> Split:
    kept = home.models / task.name / "split.json"
    if kept.is_file():
        return Split.load(kept)
    path = work / f"split-{task.name}-{digest[:12]}.json"
    if not path.is_file():
        recipe = SplitRecipe()
        groups = group_documents(documents, recipe.group_by or grouping_fields(documents, task))
        parts = make_split(documents, groups, recipe.seed)
        about = {"data_sha256": digest}
        raw = {"task": task.name, "seed": recipe.seed, "about": about, "parts": parts, "groups": groups}
        write_text(path, json.dumps(raw))
    return Split.load(path)
