"""From a torch tagger to an ONNX file, optimised and, if asked, dynamically quantised to int8."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from gateway.files import replacing
from gateway.tiers.large.network import FieldTagger

#: Operators whose weights become int8. Gather holds the embedding table: a third of a small model's size.
QUANTISED = ["MatMul", "Gather"]


class _Positional(torch.nn.Module):
    """The tagger with positional arguments, as the exporter wants it."""

    def __init__(self, network: FieldTagger) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(input_ids, attention_mask)
        return logits


def export_float(network: FieldTagger, path: Path) -> None:
    """Write ``network`` as float32 ONNX with inputs ``input_ids`` and ``attention_mask`` (``[batch, tokens]``) and
    output ``logits``.
    """
    ids = torch.ones((2, 16), dtype=torch.long) * 5
    mask = torch.ones((2, 16), dtype=torch.long)
    batch, tokens = torch.export.Dim("batch", min=1, max=512), torch.export.Dim("tokens", min=3, max=512)
    encoder: Any = network.encoder
    if hasattr(encoder, "set_attn_implementation"):
        # Written out, attention becomes fewer operators than the exporter makes of the fused one, and runs faster.
        encoder.set_attn_implementation("eager")
    for name in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with replacing(path) as temporary, warnings.catch_warnings():
        # The exporter warns about its own internals; what matters is checked by the parity test.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Positional(network).eval(),
            (ids, mask),
            str(temporary),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": {0: batch, 1: tokens}, "attention_mask": {0: batch, 1: tokens}},
            opset_version=20,
            external_data=False,
            verbose=False,
        )


def quantise(source: Path, path: Path) -> None:
    """Write ``source`` with int8 weights, one scale a column; activations are quantised as they come (dynamic
    quantisation).
    """
    with tempfile.TemporaryDirectory() as scratch, replacing(path) as temporary:
        working = Path(scratch) / "model.onnx"
        quantize_dynamic(source, working, op_types_to_quantize=QUANTISED, per_channel=True, weight_type=QuantType.QInt8)
        temporary.write_bytes(working.read_bytes())
