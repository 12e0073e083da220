"""How fast and how well students answer as they would be served: int8 ONNX."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gateway.tiers.large.export import export_float, quantise
from gateway.tiers.large.network import FieldTagger
from gateway.tiers.student import onnx_tagger
from training.evaluate import onnx_scorer
from training.experiments.running import Bench
from training.families import Family

#: Tokens of the text that is answered; passes that are not timed, and that are.
TOKENS, WARM_UP, ROUNDS = 128, 5, 40
#: Of which the text is made. Computing does not depend on which they are, and every student has these.
PIECES = 64


@contextmanager
def exported(networks: Mapping[str, FieldTagger]) -> Iterator[dict[str, Path]]:
    """Within the block an int8 ONNX file of each network."""
    with tempfile.TemporaryDirectory() as scratch:
        files = {}
        for number, (name, network) in enumerate(networks.items()):
            full, files[name] = Path(scratch) / f"{number}.onnx", Path(scratch) / f"{number}.int8.onnx"
            export_float(network.eval(), full)
            quantise(full, files[name])
        yield files


def served_f1(bench: Bench, model: Path, family: Family, known: Sequence[int] | None = None) -> float:
    """F1 (0 to 100) of an exported file on the judged documents.

    Args:
        known: the training documents whose labels may be used for how values are written; all by default.
    """
    material, view = bench.material, bench.material.view(family)
    forms = material.forms_of(known)
    score = onnx_scorer(material.development, view.encoder, view.vocabulary.pad, material.task, forms, threads=1)
    return score(model)


def answer_times(files: Mapping[str, Path], tokens: int = TOKENS) -> dict[str, list[float]]:
    """Milliseconds, on one thread, of each pass over one text of random tokens; files take turns, one pass each."""
    taggers = {name: onnx_tagger(path, 1) for name, path in files.items()}
    ids = np.random.default_rng(0).integers(PIECES, size=(1, tokens))
    mask = np.ones_like(ids)
    milliseconds: dict[str, list[float]] = {name: [] for name in files}
    for number in range(WARM_UP + ROUNDS):
        for name, tagger in taggers.items():
            started = time.perf_counter()
            tagger(ids, mask)
            if number >= WARM_UP:
                milliseconds[name].append(1e3 * (time.perf_counter() - started))
    return milliseconds
