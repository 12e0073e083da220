"""The model card of a training run, written from what the run measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
import torch

from gateway.certificates import DEFAULT
from gateway.files import write_json, write_text
from gateway.policy import Policy, chain_of
from gateway.task import TaskSpec

if TYPE_CHECKING:
    from training.pipeline import Pipeline

_CERTIFIED = "## Certified targets"


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
        "stage_seconds": pipeline.stages.seconds,
        "training_hours": _hours(pipeline),
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


def _hours(pipeline: Pipeline) -> float:
    """Hours of all stages; an interrupted training counts the epochs of every attempt."""
    epochs = {
        name: sum(epoch["seconds"] for epoch in report["history"])
        for name, report in (("large", pipeline.large_report), ("student", pipeline.student_report))
    }
    seconds = {**pipeline.stages.seconds, **{name: max(pipeline.stages.seconds[name], epochs[name]) for name in epochs}}
    return sum(seconds.values()) / 3600


def _card(pipeline: Pipeline, policy: Policy, facts: dict[str, Any]) -> str:
    task = pipeline.task
    fields = ", ".join(f"{name} ({field.type})" for name, field in task.fields.items())
    machine = facts["hardware"]
    sections = [
        f"""# Models of the task `{task.name}`

Written by the training run; figures of the whole cascade stand in the project's README.

- Fields: {fields}
- Made by: `{pipeline.command}`
- On: {machine["cpu"]}, {machine["cores"]} cores, torch {machine["torch"]}; {facts["training_hours"]:.1f} hours""",
        _models(pipeline, facts),
        _data(pipeline, facts),
        _certified(task, policy),
        """## Limits

- Trained on the kind of documents named above. Documents of other countries, languages and layouts are answered
  worse, and no guarantee covers them.
- What the labels never show was not learned: where every document shows every field, absence was not.""",
    ]
    return "\n\n".join(sections) + "\n"


def _models(pipeline: Pipeline, facts: dict[str, Any]) -> str:
    large, student, bases = pipeline.recipe.large, pipeline.recipe.student, pipeline.bases
    export = facts["student"]["export"]
    return f"""## Large tier

A rank-{large.rank} adapter (`large/adapter.safetensors`) on every linear layer of `{large.base}`
({bases[large.base].licence}) and one begin/inside/outside head a field. The base is fetched, not kept here.

## Student

The first {student.layers} layers of `{student.base}` ({bases[student.base].licence}), trained on labels and on the
large tier's token probabilities for the labelled and {facts["data"]["unlabelled"]} unlabelled documents; int8 ONNX,
{export["bytes_int8"] / 2**20:.1f} MiB.

- Parity: ONNX and torch logits differ by at most {export["parity"]:.1g}.
- int8 gate: normalised F1 on the development part {export["f1_float"]:.2f} in float32,
  {export["f1_int8"]:.2f} in int8."""


def _data(pipeline: Pipeline, facts: dict[str, Any]) -> str:
    ways = ("given", "exact", "value", "folded", "fuzzy", "missing")
    sources = "\n".join(f"- {source}" for source in pipeline.recipe.sources)
    parts = [[part, number] for part, number in facts["data"]["parts"].items()]
    found = [[name, *(counts.get(way, 0) for way in ways)] for name, counts in facts["alignment"].items()]
    return "\n\n".join(
        [
            "## Data",
            *([sources] if sources else []),
            _table(["part", "documents"], parts),
            "How the labels of the training part were found in their texts:",
            _table(["field", *ways], found),
        ]
    )


def update_certified(path: Path, task: TaskSpec, policy: Policy) -> bool:
    """Write the certified targets of a new policy into a card; whether there is one with such a section."""
    if not path.is_file():
        return False
    card = path.read_text("utf-8")
    start = card.find(_CERTIFIED)
    if start < 0:
        return False
    end = card.find("\n## ", start)
    rest = card[end + 1 :] if end >= 0 else ""
    write_text(path, card[:start] + _certified(task, policy) + ("\n\n" + rest if rest else "\n"))
    return True


def _certified(task: TaskSpec, policy: Policy) -> str:
    rows = []
    for chain in policy.thresholds:
        together = policy.whole.get(chain, {}).get(DEFAULT)
        rows.append(
            [
                chain,
                *(max(policy.targets(chain_of(chain), name), default="none") for name in task.fields),
                (together and together.target) or "none",
            ]
        )
    return "\n\n".join(
        [
            _CERTIFIED,
            f"At {100 * (1 - policy.delta):.0f} % confidence, on {policy.about['calibration']['documents']} calibration"
            " documents. Each cell is the strictest\ntarget certified for that field in that chain of tiers; it holds"
            " for documents drawn like the calibration documents,\nfield by field. The last column holds for all"
            " accepted values taken together, where each field is asked for at its own\ntarget in task.yaml.",
            _table(["chain", *task.fields, "all together"], rows),
            *_for_groups(task, policy),
        ]
    )


def _for_groups(task: TaskSpec, policy: Policy) -> list[str]:
    """What is certified for groups (merchants), with all tiers and each field at its own target."""
    chain = max(policy.thresholds, key=lambda name: len(chain_of(name)), default="")
    by_field = policy.groups.get(chain, {})
    rows = []
    for name, asked in task.qualities().items():
        served = min((target for target in by_field.get(name, {}) if target >= asked - 1e-9), default=None)
        if served is not None:
            found = by_field[name][served]
            cells = [
                f"{one.target or 'none'} ({one.with_errors} of {one.groups})" for one in (found.every, found.unseen)
            ]
            rows.append([name, served, *cells])
    if not rows:
        return []
    return [
        f"Errors of one group (merchant) come together. Taken over groups instead of documents, with {chain}, this"
        " share of an\naverage group's accepted values is certified to be right (in brackets: groups with an error, of"
        " those with an\naccepted value); new groups are those that neither rules nor models have seen:",
        _table(["field", "target served", "groups like these", "new groups"], rows),
    ]


def _table(header: list[str], rows: list[list[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
