"""How fast students answer as they would be served: int8 ONNX on one thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gateway.tiers.large.export import export_float, quantise
from gateway.tiers.large.network import FieldTagger
from gateway.tiers.student import onnx_tagger

#: Tokens of the text that is answered; passes that are not timed, and that are.
TOKENS, WARM_UP, ROUNDS = 128, 5, 40
#: Of which the text is made. Computing does not depend on which they are, and every student has these.
PIECES = 64


def answer_times(networks: Mapping[str, FieldTagger], tokens: int = TOKENS) -> dict[str, list[float]]:
    """Milliseconds of each pass over one text of random tokens; networks take turns, one pass each."""
    with tempfile.TemporaryDirectory() as scratch:
        taggers = {}
        for number, (name, network) in enumerate(networks.items()):
            full, small = Path(scratch) / f"{number}.onnx", Path(scratch) / f"{number}.int8.onnx"
            export_float(network.eval(), full)
            quantise(full, small)
            taggers[name] = onnx_tagger(small, 1)
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
