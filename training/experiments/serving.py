"""How fast and how well students answer as they would be served: int8 ONNX."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
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


def _exported(network: FieldTagger, directory: Path, name: str) -> Path:
    """An int8 ONNX file of a network."""
    full, small = directory / f"{name}.onnx", directory / f"{name}.int8.onnx"
    export_float(network.eval(), full)
    quantise(full, small)
    return small


def served_f1(bench: Bench, network: FieldTagger, family: Family, known: Sequence[int] | None = None) -> float:
    """F1 (0 to 100) of the exported file on the judged documents.

    Args:
        known: the training documents whose labels may be used for how values are written; all by default.
    """
    material, view = bench.material, bench.material.view(family)
    score = onnx_scorer(
        material.development, view.encoder, view.vocabulary.pad, material.task, material.forms_of(known), threads=1
    )
    with tempfile.TemporaryDirectory() as scratch:
        return score(_exported(network, Path(scratch), "student"))


def answer_times(networks: Mapping[str, FieldTagger], tokens: int = TOKENS) -> dict[str, list[float]]:
    """Milliseconds, on one thread, of each pass over one text of random tokens; networks take turns, one pass each."""
    with tempfile.TemporaryDirectory() as scratch:
        taggers = {}
        for number, (name, network) in enumerate(networks.items()):
            taggers[name] = onnx_tagger(_exported(network, Path(scratch), str(number)), 1)
        ids = np.random.default_rng(0).integers(PIECES, size=(1, tokens))
        mask = np.ones_like(ids)
        milliseconds: dict[str, list[float]] = {name: [] for name in networks}
        for number in range(WARM_UP + ROUNDS):
            for name, tagger in taggers.items():
                started = time.perf_counter()
                tagger(ids, mask)
                if number >= WARM_UP:
                    milliseconds[name].append(1e3 * (time.perf_counter() - started))
    return milliseconds
