"""A training step with channels left out, beside the dense step: seconds of one thread on a CPU.

    python -m benchmarks.swat [--rounds 15] [--serving] [--json benchmarks/results/swat.json]

Each variant makes whole training steps (forward, backward, AdamW) on the same random batch. Variants take turns, one
step each, and medians are compared, so that whatever else the machine does hits all alike.

* feed-forward: linear 384 → 1536, GELU, linear 1536 → 384; structured selection of 50 and 25 % of the 1536 channels;
* encoder: two BERT layers of that width; structured selection of channels, and of channels and heads;
* unstructured top-K at 50 % of weights and activations, which computes with zeros and is not expected to be faster;
* with --serving: the model that structured training leaves, six layers with heads, exported as students are, answering
  128 tokens in ONNX Runtime on one thread, beside the dense one; float32 and int8.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import BertConfig, BertModel

from gateway.evaluation.provenance import hardware, versions
from gateway.files import write_json
from gateway.tiers.large.export import export_float, quantise
from gateway.tiers.large.network import FieldTagger
from training.methods.swat.accounting import count_saved, step_cost
from training.methods.swat.groups import ChannelGroup, find_groups
from training.methods.swat.sparse import apply_swat
from training.methods.swat.structured import StructuredSwat

WIDTH, HIDDEN, HEADS, LAYERS = 384, 1536, 12, 2
ROWS, TOKENS = 8, 64
WARM_UP = 3
SERVED_TOKENS = 128


class Encoder(nn.Module):
    """BERT layers on given vectors; tokens' embeddings would only add the same to every variant."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=8,
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=HIDDEN,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.encoder = BertModel(config, add_pooling_layer=False)

    def forward(self, values: Tensor) -> Tensor:
        """``[rows, tokens, width]`` to the same."""
        hidden: Tensor = self.encoder(inputs_embeds=values)[0]
        return hidden


def feed_forward() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))


def feed_forward_groups(model: nn.Module) -> list[ChannelGroup]:
    first, _, last = model.children()
    return [ChannelGroup("channels", [first], last)]


class Variant:
    """One way to make a training step."""

    def __init__(self, model: nn.Module, swat: StructuredSwat | None = None) -> None:
        self.model, self.swat = model.train(), swat
        torch.manual_seed(0)
        self.values, self.targets = torch.randn(2, ROWS, TOKENS, WIDTH)
        self.optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
        if swat is not None:
            swat.start(self.optimizer)
        self.seconds: list[float] = []

    def step(self) -> None:
        """One training step."""
        if self.swat is not None:
            self.swat.before_update()
        (self.model(self.values) - self.targets).square().mean().backward()
        if self.swat is not None:
            self.swat.after_backward()
            self.swat.before_step()
        self.optimizer.step()
        if self.swat is not None:
            self.swat.after_step()
        self.optimizer.zero_grad(set_to_none=True)

    def timed_step(self) -> None:
        """One training step, whose seconds are kept."""
        started = time.perf_counter()
        self.step()
        self.seconds.append(time.perf_counter() - started)

    def saved_bytes(self) -> int:
        """Bytes kept between forward and backward pass."""
        with count_saved(self.model) as saved:
            loss = (self.model(self.values) - self.targets).square().mean()
        loss.backward()
        self.optimizer.zero_grad(set_to_none=True)
        return saved.total


def structured(
    make: Callable[[], nn.Module], groups: Callable[[nn.Module], list[ChannelGroup]], keep: float
) -> Variant:
    model = make()
    # Chosen once: a run chooses again every hundred steps, which costs one dense step in a hundred.
    return Variant(model, StructuredSwat(groups(model), keep, period=0))


def unstructured(make: Callable[[], nn.Module], keep: float, packed: bool) -> Variant:
    model = make()
    apply_swat(model, keep, period=10, skip="", packed=packed)
    return Variant(model)


def variants() -> dict[str, dict[str, Variant]]:
    def channels(model: nn.Module) -> list[ChannelGroup]:
        return find_groups(model, heads=False)

    return {
        "feed-forward": {
            "dense": Variant(feed_forward()),
            "structured 50 %": structured(feed_forward, feed_forward_groups, 0.5),
            "structured 25 %": structured(feed_forward, feed_forward_groups, 0.25),
            "unstructured 50 %": unstructured(feed_forward, 0.5, packed=False),
            "unstructured 50 % packed": unstructured(feed_forward, 0.5, packed=True),
        },
        "encoder": {
            "dense": Variant(Encoder()),
            "channels 50 %": structured(Encoder, channels, 0.5),
            "channels 25 %": structured(Encoder, channels, 0.25),
            "channels and heads 50 %": structured(Encoder, find_groups, 0.5),
            "channels and heads 25 %": structured(Encoder, find_groups, 0.25),
        },
    }


def measure(family: dict[str, Variant], rounds: int, name: str) -> dict[str, Any]:
    dense = family["dense"]
    dense_operations = step_cost(dense.model, lambda: dense.model(dense.values)).dense
    for variant in family.values():
        for _ in range(WARM_UP):
            variant.step()
    for _ in tqdm(range(rounds), desc=name, unit="round"):
        for variant in family.values():
            variant.timed_step()
    base, saved = statistics.median(dense.seconds), dense.saved_bytes()
    return {
        label: {
            "milliseconds": round(1e3 * statistics.median(variant.seconds), 2),
            # Of the pairs of steps that stood next to each other: a slow spell hits both.
            "times_faster": round(
                statistics.median(a / b for a, b in zip(dense.seconds, variant.seconds, strict=True)), 2
            ),
            "of_medians": round(base / statistics.median(variant.seconds), 2),
            "operations": round(
                step_cost(variant.model, lambda variant=variant: variant.model(variant.values)).sparse
                / dense_operations,
                3,
            ),
            "bytes_saved_for_backward": round(variant.saved_bytes() / saved, 3),
        }
        for label, variant in family.items()
    }


def tagger() -> FieldTagger:
    config = BertConfig(
        vocab_size=64,
        hidden_size=WIDTH,
        num_hidden_layers=6,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        max_position_embeddings=512,
    )
    return FieldTagger(BertModel(config, add_pooling_layer=False), fields=4)


def shrunken(keep: float) -> FieldTagger:
    """The tagger after one structured update."""
    model = tagger()
    swat = StructuredSwat(find_groups(model), keep, period=0, score="magnitude")
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    swat.start(optimizer)
    swat.before_update()
    ids = torch.randint(1, 64, (2, 16))
    model(ids, torch.ones_like(ids)).square().mean().backward()
    swat.after_backward()
    swat.before_step()
    optimizer.step()
    swat.after_step()
    return model


def measure_serving(rounds: int) -> dict[str, Any]:
    """Milliseconds and bytes of exported models, which take turns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    ids = np.random.default_rng(0).integers(1, 64, (1, SERVED_TOKENS))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    sessions: dict[tuple[str, str], onnxruntime.InferenceSession] = {}
    sizes: dict[tuple[str, str], int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for label, model in (("dense", tagger()), ("50 %", shrunken(0.5)), ("25 %", shrunken(0.25))):
            full, small = Path(scratch) / f"{label}.onnx", Path(scratch) / f"{label}.int8.onnx"
            export_float(model, full)
            quantise(full, small)
            for kind, path in (("float32", full), ("int8", small)):
                sizes[kind, label] = path.stat().st_size
                sessions[kind, label] = onnxruntime.InferenceSession(str(path), options)
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in sessions}
    for session in sessions.values():
        session.run(None, inputs)
    for _ in range(4 * rounds):
        for key, session in sessions.items():
            started = time.perf_counter()
            session.run(None, inputs)
            seconds[key].append(time.perf_counter() - started)
    result: dict[str, Any] = {"float32": {}, "int8": {}}
    for (kind, label), taken in seconds.items():
        result[kind][label] = {
            "milliseconds": round(1e3 * statistics.median(taken), 2),
            "times_faster": round(
                statistics.median(a / b for a, b in zip(seconds[kind, "dense"], taken, strict=True)), 2
            ),
            "bytes": sizes[kind, label],
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serving", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result: dict[str, Any] = {name: measure(family, arguments.rounds, name) for name, family in variants().items()}
    for name, family in result.items():
        for label, row in family.items():
            print(
                f"{name:13} {label:26} {row['milliseconds']:8.1f} ms  {row['times_faster']:5.2f} x  "
                f"operations {row['operations']:.3f}  saved bytes {row['bytes_saved_for_backward']:.3f}"
            )
    serving = measure_serving(arguments.rounds) if arguments.serving else None
    for kind, rows in (serving or {}).items():
        for label, row in rows.items():
            print(
                f"serving {kind:8} {label:6} {row['milliseconds']:8.2f} ms  {row['times_faster']:5.2f} x"
                f"  {row['bytes']} bytes"
            )
    if arguments.json:
        about = {
            "command": shlex.join(["python", "-m", "benchmarks.swat", *sys.argv[1:]]),
            # Steps are slower where others compute too; the ratios hold, because variants take turns.
            "load_average": [round(value, 1) for value in os.getloadavg()],
            "hardware": hardware(),
            "versions": versions(),
            "threads": 1,
            "rounds": arguments.rounds,
            "seed": 0,
            "batch": [ROWS, TOKENS, WIDTH],
        }
        write_json(arguments.json, {"about": about, "results": result, **({"serving": serving} if serving else {})})


if __name__ == "__main__":
    main()
