"""Exporting the student: float ONNX, parity with torch, int8, and a gate on F1 before anything is published."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gateway.errors import ExportRejected
from gateway.evaluation.dataset import file_digest
from gateway.files import replacing, write_json
from gateway.tiers.encoding import Encoding, TextEncoder
from gateway.tiers.large.export import export_float, quantise
from gateway.tiers.large.network import FieldTagger
from gateway.tiers.student import MODEL, TOKENIZER, onnx_tagger

#: Largest difference between a torch and an ONNX logit: float32 rounding over a few layers stays well below.
PARITY_TOLERANCE = 1e-3
#: F1 points (of 100) that int8 may lose.
GATE_POINTS = 0.5
SIZE_LIMIT_BYTES = 25 * 1024 * 1024


@dataclass(frozen=True)
class ExportReport:
    """What the export measured: largest logit difference, F1 (0 to 100) before and after int8, sizes in bytes."""

    parity: float
    f1_float: float
    f1_int8: float
    bytes_float: int
    bytes_int8: int


def check_parity(network: FieldTagger, model: Path, encoder: TextEncoder, encodings: Sequence[Encoding]) -> float:
    """The largest difference between torch's and ONNX Runtime's logits on real documents.

    Raises:
        ExportRejected: it exceeds PARITY_TOLERANCE.
    """
    tagger = onnx_tagger(model, 0)
    network.eval()
    differences: list[float] = []
    for encoding in encodings:
        ids = encoder.windows(encoding)[0].ids[None]
        mask = np.ones_like(ids)
        with torch.inference_mode():
            expected = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        differences.append(float(np.abs(expected - tagger(ids, mask)).max()))
    # Without a document nothing was compared. np.max hands a NaN on, and no comparison with it holds.
    worst = float(np.max(differences)) if differences else np.inf
    if not worst <= PARITY_TOLERANCE:
        raise ExportRejected(f"ONNX and torch differ by {worst:.2g} in a logit, more than {PARITY_TOLERANCE:g}")
    return worst


def export_student(
    network: FieldTagger,
    tokenizer: Path,
    encoder: TextEncoder,
    parity_documents: Sequence[Encoding],
    score: Callable[[Path], float],
    config: dict[str, object],
    directory: Path,
) -> ExportReport:
    """Export, check, quantise, gate, and only then publish model.onnx, tokenizer.json and config.json.

    Args:
        parity_documents: documents for the parity check.
        score: F1 (0 to 100) of an ONNX file on documents not trained on.
        config: what config.json says besides digests.

    Raises:
        ExportRejected: parity, F1 or size; the directory is left as it was.
    """
    with tempfile.TemporaryDirectory() as scratch:
        full, small = Path(scratch) / "float.onnx", Path(scratch) / "int8.onnx"
        export_float(network, full)
        parity = check_parity(network, full, encoder, parity_documents)
        quantise(full, small)
        report = ExportReport(parity, score(full), score(small), full.stat().st_size, small.stat().st_size)
        if not report.f1_float - report.f1_int8 <= GATE_POINTS:
            raise ExportRejected(
                f"int8 loses {report.f1_float - report.f1_int8:.2f} F1 points, more than {GATE_POINTS}"
                f" ({report.f1_float:.2f} → {report.f1_int8:.2f})"
            )
        if report.bytes_int8 > SIZE_LIMIT_BYTES:
            raise ExportRejected(f"model.onnx would have {report.bytes_int8} bytes, more than {SIZE_LIMIT_BYTES}")
        directory.mkdir(parents=True, exist_ok=True)
        for name, source in ((MODEL, small), (TOKENIZER, tokenizer)):
            with replacing(directory / name) as temporary:
                temporary.write_bytes(source.read_bytes())
    digests = {name: file_digest(directory / name) for name in (MODEL, TOKENIZER)}
    write_json(directory / "config.json", {**config, "mode": "int8", "digests": digests})
    return report
