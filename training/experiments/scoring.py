"""Scores of the training documents by every method of :mod:`training.data.select`, and what each would cost alone.

All come from three students trained on the labels (or on those that are known), so that one set of trainings serves
every method; CPU seconds are booked to a method as if it had been asked alone. They are not in all points the scores of
a recipe's ``select`` (:mod:`training.pipeline.scoring`): those come from the recipe's student after at most 4 epochs,
EL2N from one seed, and dispersion token by token.
"""

from __future__ import annotations

import fcntl
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gateway.files import replacing
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.large.network import load_encoder
from training.data.select.duplicates import near_duplicates, without_duplicates
from training.data.select.filter import combined_filter
from training.data.select.prototypes import labelled_prototypes, prototypes
from training.data.select.scores import forgetting, label_dispersion
from training.data.select.taggers import (
    Doubting,
    all_right,
    apart,
    at_places,
    hardest_error,
    least_certain,
    tagger_margins,
    whole_answers,
)
from training.examples import IGNORE
from training.experiments.digests import short
from training.experiments.material import Material, View, tags_of
from training.experiments.running import Bench, Setting
from training.families.vocabulary import TOKENIZER
from training.large import special_tokens

#: Students of an ensemble, random answers of one, and the share of a training after which EL2N is taken. After two
#: epochs of 16 the hardest place of nearly every document is still wholly wrong, and the score is √2 for all.
ENSEMBLE, ANSWERS, EARLY = 3, 5, 0.25
#: Documents that are embedded together.
EMBEDDED = 32
#: A combination of fields with fewer documents than this is no class of its own.
LEAST_CLASS = 20
Scores = NDArray[np.float64]


@dataclass
class Scored:
    """Scores of the training documents by method, and CPU seconds by method."""

    scores: dict[str, Scores] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def scored(bench: Bench, setting: Setting) -> Scored:
    """All scores for a seed; made once and kept in the work directory. Another process that needs them waits."""
    return _once(bench.material, setting, "scores", lambda: _compute(bench, setting))


def early_epochs(setting: Setting) -> int:
    """The epochs after which EL2N is taken."""
    return max(1, round(EARLY * setting.epochs))


def early_errors(bench: Bench, setting: Setting) -> tuple[Scores, float]:
    """EL2N alone, from one short training, and its CPU seconds; made once and kept."""

    def compute() -> Scored:
        view = bench.material.view(setting.family)
        started = time.process_time()
        short = replace(setting, epochs=early_epochs(setting), seed=_scorer_seed(setting.seed, 0))
        network, _ = bench.train(short)
        errors = hardest_error(bench.ask(network, view, view.encodings), _targets(bench.material, view), IGNORE)
        return Scored({"el2n": errors}, {"el2n": time.process_time() - started})

    found = _once(bench.material, setting, "el2n", compute)
    return found.scores["el2n"], found.seconds["el2n"]


def _once(material: Material, setting: Setting, what: str, compute: Callable[[], Scored]) -> Scored:
    name = f"{what}-{material.task.name}-{short(material.digest, setting.describe())}-{setting.seed}"
    path = material.work / f"{name}.npz"
    material.work.mkdir(parents=True, exist_ok=True)
    with (material.work / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            _save(path, compute())
        return _load(path)


def quantiles(scores: Scores) -> str:
    """Where scores lie, for a note: one that is the same for most documents chooses nothing."""
    low, middle, high = np.quantile(scores, (0.1, 0.5, 0.9))
    return f"scores at 10, 50 and 90 %: {low:.3f}, {middle:.3f}, {high:.3f}"


def _targets(material: Material, view: View) -> list[NDArray[np.int64]]:
    return [
        tags_of(encoding, spans, material.fields)
        for encoding, spans in zip(view.encodings, material.spans, strict=True)
    ]


def _compute(bench: Bench, setting: Setting) -> Scored:
    found = Scored()
    _from_students(bench, setting, found)
    _from_embeddings(bench.material, setting.seed, found)
    started = time.process_time()
    groups = near_duplicates([document.text for document in bench.material.train])
    dropped = without_duplicates(groups)
    found.scores["duplicate"] = np.array([float(index in dropped) for index in range(len(bench.material.train))])
    found.seconds["duplicate"] = time.process_time() - started
    return found


def _from_students(bench: Bench, setting: Setting, found: Scored) -> None:
    material, view = bench.material, bench.material.view(setting.family)
    targets = _targets(material, view)
    started = time.process_time()
    right: list[NDArray[np.bool_]] = []
    whole: list[NDArray[np.int64]] = []
    early, early_seconds = [], 0.0

    def look(network: nn.Module, epoch: int) -> str:
        nonlocal early_seconds
        answers = bench.ask(network, view, view.encodings)
        right.append(all_right(answers, targets, IGNORE))
        whole.append(whole_answers(answers))
        if epoch == early_epochs(setting):
            early.append(hardest_error(answers, targets, IGNORE))
            early_seconds += time.process_time() - started
        return ""

    networks = [bench.train(replace(setting, seed=_scorer_seed(setting.seed, 0)), evaluate=look)[0]]
    found.scores["forgetting"], found.scores["dispersion"] = forgetting(right), label_dispersion(whole)
    found.seconds["forgetting"] = found.seconds["dispersion"] = time.process_time() - started
    looking = training = 0.0

    def glance(network: nn.Module, epoch: int) -> str:
        nonlocal early_seconds, looking
        if epoch == early_epochs(setting):
            began = time.process_time()
            early.append(hardest_error(bench.ask(network, view, view.encodings), targets, IGNORE))
            looking += time.process_time() - began
            early_seconds += time.process_time() - started
        return ""

    for number in range(1, ENSEMBLE):
        started = time.process_time()
        networks.append(bench.train(replace(setting, seed=_scorer_seed(setting.seed, number)), evaluate=glance)[0])
        training += (time.process_time() - started) / (ENSEMBLE - 1)
    # Averaged over the ensemble's seeds, as its paper does; a training may stop once it has been asked.
    found.scores["el2n"], found.seconds["el2n"] = np.mean(early, axis=0), early_seconds
    # What the first one's looks took belongs to forgetting and dispersion, what the others' took to el2n.
    training -= looking / (ENSEMBLE - 1)
    started = time.process_time()
    models = [bench.ask(network, view, view.encodings) for network in networks]
    asking = (time.process_time() - started) / ENSEMBLE
    found.scores["disagreement"] = apart(models)
    found.seconds["disagreement"] = time.process_time() - started + ENSEMBLE * training
    started = time.process_time()
    places = least_certain(models[0])
    lengths = [len(encoding) for encoding in view.encodings]
    margins = tagger_margins(networks[0], _Windows(view), places, view.vocabulary.pad, lengths)
    found.scores["margin"] = margins
    seeking = time.process_time() - started
    found.seconds["margin"] = training + asking + seeking
    started = time.process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setting.seed)
        answers = [bench.ask(Doubting(networks[0]), view, view.encodings) for _ in range(ANSWERS)]
    found.scores["combined"] = combined_filter(
        standard=np.stack([at_places(model, places) for model in models]),
        probabilistic=np.stack([at_places(answer, places) for answer in answers]),
        margins=margins,
        seed=setting.seed,
    )
    answering = time.process_time() - started
    found.seconds["combined"] = ENSEMBLE * (training + asking) + seeking + answering


def _scorer_seed(seed: int, number: int) -> int:
    """Scoring students draw otherwise than the students that learn from what they chose."""
    return 1000 + 10 * seed + number


@dataclass(frozen=True)
class _Windows:
    """The window of a document that holds a token."""

    view: View

    def __call__(self, document: int, token: int) -> tuple[NDArray[np.int64], int]:
        windows = self.view.encoder.windows(self.view.encodings[document])
        window = next((one for one in windows if one.start <= token < one.end), windows[0])
        return window.ids, token - window.start + window.lead


def _from_embeddings(material: Material, seed: int, found: Scored) -> None:
    """Distances from prototypes of the base's embeddings: of clusters, and of the documents' combinations of fields."""
    vectors, embedding = embeddings(material)
    started = time.process_time()
    clusters = max(1, min(len(vectors), round(len(vectors) ** 0.5)))
    found.scores["prototypes"] = prototypes(vectors, clusters, seed=seed).distance
    found.seconds["prototypes"] = embedding + time.process_time() - started
    started = time.process_time()
    labels = classes_of(material.present)
    if (labels >= 0).any():
        found.scores["labelled prototypes"] = labelled_prototypes(vectors, labels, seed=seed).distance
        found.seconds["labelled prototypes"] = embedding + time.process_time() - started


def classes_of(present: Sequence[frozenset[str]]) -> NDArray[np.int64]:
    """A class for each frequent combination of fields; −1 for documents with a rare one."""
    counts = Counter(present)
    frequent = sorted((item for item, count in counts.items() if count >= LEAST_CLASS), key=sorted)
    numbers = {item: number for number, item in enumerate(frequent)}
    return np.array([numbers.get(item, -1) for item in present], dtype=np.int64)


def embeddings(material: Material) -> tuple[NDArray[np.float32], float]:
    """The mean of the base's last hidden states over each training document, and the CPU seconds they took.

    They do not depend on a seed: made once and kept.
    """
    path = material.work / f"embeddings-{material.task.name}-{short(material.digest)}.npz"
    if path.is_file():
        with np.load(path) as archive:
            return archive["vectors"], float(archive["seconds"])
    started = time.process_time()
    encoder = TextEncoder(material.base / TOKENIZER)
    network = load_encoder(material.base).eval()
    pad = special_tokens(material.base / TOKENIZER).pad
    windows = [encoder.windows(encoder.encode(document.text))[0].ids for document in material.train]
    vectors: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(windows)
    order = sorted(range(len(windows)), key=lambda index: len(windows[index]))
    with torch.inference_mode():
        for start in range(0, len(order), EMBEDDED):
            rows = order[start : start + EMBEDDED]
            ids = torch.full((len(rows), max(len(windows[index]) for index in rows)), pad, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, index in enumerate(rows):
                ids[row, : len(windows[index])] = torch.from_numpy(windows[index])
                mask[row, : len(windows[index])] = 1
            states = network(input_ids=ids, attention_mask=mask)[0].float()
            means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            for row, index in enumerate(rows):
                vectors[index] = means[row].numpy()
    made, seconds = np.stack(vectors), time.process_time() - started
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, vectors=made, seconds=np.array(seconds))
    return made, seconds


def _save(path: Path, found: Scored) -> None:
    arrays: dict[str, Any] = {f"score {name}": values for name, values in found.scores.items()}
    arrays |= {f"seconds {name}": np.array(value) for name, value in found.seconds.items()}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _load(path: Path) -> Scored:
    with np.load(path) as archive:
        return Scored(
            _named(archive, "score "), {key: float(value) for key, value in _named(archive, "seconds ").items()}
        )


def _named(archive: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): archive[name] for name in archive if name.startswith(prefix)}
