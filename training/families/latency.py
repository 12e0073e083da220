"""How long a student of each family takes on this machine, as it would be served: int8 ONNX on one thread."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel

from gateway.evaluation.provenance import hardware
from gateway.files import write_json
from gateway.tiers.large.export import export_float, quantise
from gateway.tiers.large.network import FieldTagger
from gateway.tiers.student import onnx_tagger
from training.families.catalogue import MINILM, Family, Shape, find_family
from training.families.convolution import ConvEncoder

#: What is measured is the computing; a table of pieces is only looked up, whatever its size.
_PIECES = 64
_WARM_UP, ROUNDS = 5, 40
#: The file in the cache that keeps what was measured.
LATENCIES = "student-latency.json"


def random_student(family: Family, fields: int, base: Shape = MINILM) -> FieldTagger:
    """A network of a family's shape with random weights and few word pieces: as fast as a trained one."""
    shape = family.shape(base, _PIECES)
    encoder: nn.Module
    if family.kind == "conv":
        encoder = ConvEncoder(torch.randn(shape.pieces, shape.width), shape.layers)
    else:
        config = BertConfig(
            vocab_size=shape.pieces,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.feed_forward,
            max_position_embeddings=shape.positions,
        )
        encoder = BertModel(config, add_pooling_layer=False)
    return FieldTagger(encoder, fields)


def export_random(family: Family, fields: int, path: Path, base: Shape = MINILM) -> None:
    """Write the int8 ONNX file of :func:`random_student`."""
    with tempfile.TemporaryDirectory() as scratch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        full = Path(scratch) / "float.onnx"
        export_float(random_student(family, fields, base), full)
        quantise(full, path)


def time_models(models: Mapping[str, Path], tokens: int, *, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Milliseconds of each pass over one text of ``tokens`` tokens; models take turns, one pass each."""
    taggers = {name: onnx_tagger(path, 1) for name, path in models.items()}
    ids = np.random.default_rng(0).integers(_PIECES, size=(1, tokens))
    mask = np.ones_like(ids)
    milliseconds: dict[str, list[float]] = {name: [] for name in models}
    for number in range(_WARM_UP + rounds):
        for name, tagger in taggers.items():
            started = time.perf_counter()
            tagger(ids, mask)
            if number >= _WARM_UP:
                milliseconds[name].append(1e3 * (time.perf_counter() - started))
    return milliseconds


def latency(name: str, tokens: int, fields: int, *, base: Shape = MINILM, cache: Path | None = None) -> float:
    """Median milliseconds of a family's int8 student for one text of ``tokens`` tokens, on one thread here.

    With ``cache`` (a directory) it is measured once for this machine, this version of onnxruntime and these arguments.
    """
    family = find_family(name)
    path = None if cache is None else cache / LATENCIES
    known: dict[str, float] = json.loads(path.read_text("utf-8")) if path is not None and path.is_file() else {}
    key = _key([str(hardware()["cpu"]), version("onnxruntime"), family, base, tokens, fields])
    if key not in known:
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / "model.onnx"
            export_random(family, fields, model, base)
            known[key] = round(statistics.median(time_models({name: model}, tokens)[name]), 3)
        if path is not None:
            write_json(path, known)
    return known[key]


def _key(parts: Sequence[object]) -> str:
    return " | ".join(map(str, parts))
