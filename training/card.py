"""The model card of a training run, written from what the run measured."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

import onnxruntime
import torch

from gateway.files import write_json, write_text
from gateway.policy import Policy

if TYPE_CHECKING:
    from training.pipeline import Pipeline


def hardware() -> dict[str, Any]:
    """What this machine is, as result files name it."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            name = next(line.split(":", 1)[1].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def write_card(pipeline: Pipeline) -> None:
    """Write CARD.md and training.json (the same facts for programs) beside the models."""
    policy = Policy.load(pipeline.out / "policy.json")
    facts = {
        "task": pipeline.task.name,
        "command": pipeline.command,
        "hardware": hardware(),
        "seconds": pipeline.stages.seconds,
        "data": {
            "sha256": pipeline.data_digest,
            "parts": {part: len(documents) for part, documents in pipeline.split.parts.items()},
            "unlabelled": len(pipeline.unlabelled_documents),
        },
        "alignment": pipeline.alignment,
        "large": pipeline.large_report,
        "student": pipeline.student_report,
    }
    write_json(pipeline.out / "training.json", facts)
    write_text(pipeline.out / "CARD.md", _card(pipeline, policy, facts))


def _card(pipeline: Pipeline, policy: Policy, facts: dict[str, Any]) -> str:
    recipe, bases = pipeline.recipe, pipeline.bases
    export = pipeline.student_report["export"]
    hours = sum(pipeline.stages.seconds.values()) / 3600
    machine = facts["hardware"]
    lines = [
        f"# Models of the task `{pipeline.task.name}`",
        "",
        "Written by the training run; figures of the whole cascade stand in the project's README.",
        "",
        f"- Fields: {', '.join(f'{name} ({field.type})' for name, field in pipeline.task.fields.items())}",
        f"- Made by: `{pipeline.command}`",
        f"- On: {machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}, {hours:.1f} hours of training",
        "",
        "## Large tier",
        "",
        f"A rank-{recipe.large.rank} adapter (`large/adapter.safetensors`) on every linear layer of `{recipe.large.base}`"
        f" ({bases[recipe.large.base].licence}), one begin/inside/outside head a field. The base is fetched, not kept here.",
        "",
        "## Student",
        "",
        f"The first {recipe.student.layers} layers of `{recipe.student.base}` ({bases[recipe.student.base].licence}), trained on labels and on"
        f" the large tier's token probabilities for the labelled and {facts['data']['unlabelled']} unlabelled documents; int8 ONNX,"
        f" {export['bytes_int8'] / 2**20:.1f} MiB.",
        "",
        f"- Parity: ONNX and torch logits differ by at most {export['parity']:.1g}.",
        f"- int8 gate: normalised F1 on the development part {export['f1_float']:.2f} in float32, {export['f1_int8']:.2f} in int8.",
        "",
        "## Data",
        "",
        "| part | documents |",
        "|---|---|",
        *(f"| {part} | {number} |" for part, number in facts["data"]["parts"].items()),
        "",
        "Labels found in their texts:",
        "",
        "| field | " + " | ".join(("exact", "value", "folded", "fuzzy", "missing")) + " |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | "
            + " | ".join(str(counts.get(how, 0)) for how in ("exact", "value", "folded", "fuzzy", "missing"))
            + " |"
            for name, counts in facts["alignment"].items()
        ),
        "",
        *(_DATA_NOTES.get(pipeline.task.name, [])),
        "## Certified targets",
        "",
        f"At {100 * (1 - policy.delta):.0f} % confidence, on {policy.about['calibration']['documents']} calibration documents:",
        "",
        "| chain | " + " | ".join(pipeline.task.fields) + " |",
        "|---" * (1 + len(pipeline.task.fields)) + "|",
        *(
            f"| {chain} | "
            + " | ".join(
                str(max(policy.targets(tuple(chain.split("+")), name), default="none"))  # type: ignore[arg-type]
                for name in pipeline.task.fields
            )
            + " |"
            for chain in policy.thresholds
        ),
        "",
        "Each cell is the strictest target certified. It holds for documents drawn like the calibration documents, field by field.",
        "",
        "## Limits",
        "",
        "- Trained on the kind of documents named above; other countries, languages and layouts are answered worse, and the guarantee does not cover them.",
        "- Absence was not learned: every receipt of the training data shows every field.",
        "",
    ]
    return "\n".join(lines)


_DATA_NOTES = {
    "receipts": [
        "Labelled receipts: SROIE (ICDAR 2019 robust reading challenge on scanned receipts OCR and information extraction), training part,"
        " CC BY 4.0. Unlabelled receipts: receipt-dataset-standardized (CC BY 4.0 and MIT parts).",
        "",
    ]
}
