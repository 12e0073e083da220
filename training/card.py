"""The model card of a training run, written from what the run measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.certificates import DEFAULT
from gateway.evaluation.provenance import hardware as machine
from gateway.files import write_text
from gateway.policy import Policy, chain_of
from gateway.task import TaskSpec
from training.tables import SYSTEM_HEADER, WAYS, code, percent, plain, system_row, table

if TYPE_CHECKING:
    from training.report.material import Material

#: The file's name, beside a task's models.
CARD = "CARD.md"
_CERTIFIED = "## Certified targets"
_FOUND = "What `cascade data check` found (docs/data.md has the codes):"


def hardware() -> dict[str, Any]:
    """What this machine is, as result files name it: its CPU and cores, and the packages that train."""
    # Imported here: a card is made again without them.
    import onnxruntime
    import torch

    return {
        "cpu": machine()["cpu"],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def render_card(material: Material) -> str:
    """``CARD.md``, from ``training.json`` and the files beside it."""
    sections = [
        _head(material),
        *_models(material),
        _data(material),
        *_validation(material),
        *_calibration(material),
        _certified(list(material.report.fields), _asked(material.report.fields), material.policy),
        *_thresholds(material),
        *_costs(material),
        """## Limits

- Trained on the kind of documents named above. Documents of other countries, languages and layouts are answered
  worse, and no guarantee covers them.
- What the labels never show was not learned: where every document shows every field, absence was not.""",
    ]
    return "\n\n".join(sections) + "\n"


def _asked(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: found["quality"] for name, found in fields.items() if found.get("quality") is not None}


def _head(material: Material) -> str:
    report = material.report
    fields = ", ".join(
        f"{plain(name)} ({plain(found.get('type'))}{', many' if found.get('many') else ''})"
        for name, found in report.fields.items()
    )
    on = f"{plain(report.hardware.get('cpu', 'unknown'))}, {report.hardware.get('cores', '?')} cores"
    torch = report.hardware.get("torch")
    lines = [
        f"# Models of the task {code(report.task)}",
        "",
        "Written by the training run from what it measured.",
        "",
        f"- Fields: {fields}",
        f"- Made by: {code(report.command)}",
        f"- On: {on}{f', torch {plain(torch)}' if torch else ''}; {report.training_hours:.1f} hours",
        *([f"- Finished: {report.created}"] if report.created else []),
    ]
    return "\n".join(lines)


def _licence(material: Material, base: str) -> str:
    licence = material.report.bases.get(base, {}).get("licence")
    return f" ({plain(licence)})" if licence else ""


def _models(material: Material) -> list[str]:
    report, recipe = material.report, material.recipe
    sections = []
    if report.large is not None:
        large = recipe.get("large") or {}
        base, rank = large.get("base", "the base"), large.get("rank")
        sections.append(
            f"## Large tier\n\n{'A rank-' + str(rank) if rank else 'An'} adapter (`large/adapter.safetensors`) on every"
            f" linear layer of {code(base)}{_licence(material, base)}\nand one begin/inside/outside head a field. The"
            " base is fetched, not kept here."
        )
    if report.student is not None:
        sections.append(_student(material, report.student))
    return sections


def _student(material: Material, measured: Mapping[str, Any]) -> str:
    config = material.configs.get("student") or material.recipe.get("student") or {}
    base = config.get("base", "its base")
    export = measured.get("export") or {}
    unlabelled = material.report.data.get("unlabelled", 0)
    made = f"The first {config['layers']} layers of" if config.get("layers") else "Made from"
    if config.get("family"):
        made = f"Of the family {code(config['family'])}, made from"
    parameters = measured.get("parameters")
    size = [f"{parameters:,} parameters"] if parameters else []
    size += [f"int8 ONNX, {export['bytes_int8'] / 2**20:.1f} MiB"] if export else []
    lines = [
        f"## Student\n\n{made} {code(base)}{_licence(material, base)}, trained on labels and on the large tier's token",
        f"probabilities for the labelled and {unlabelled} unlabelled documents; {', '.join(size)}.",
        "",
    ]
    if export:
        lines += [
            f"- Parity: ONNX and torch logits differ by at most {export['parity']:.1g}.",
            f"- int8 gate: normalised F1 on the development part {export['f1_float']:.2f} in float32,",
            f"  {export['f1_int8']:.2f} in int8.",
        ]
    return "\n".join(lines).rstrip()


def _data(material: Material) -> str:
    data, check = material.report.data, material.report.check
    groups = data.get("groups", {})
    header = ["part", "documents", *(["groups"] if groups else [])]
    parts = [[part, number, *([groups[part]] if groups else [])] for part, number in data.get("parts", {}).items()]
    found = [[name, *(counts.get(way, 0) for way in WAYS)] for name, counts in material.report.alignment.items()]
    sources = "\n".join(f"- {plain(source)}" for source in material.sources)
    problems = [
        [finding["code"], finding["severity"], finding["field"] or "", finding["count"]]
        for finding in (check or {}).get("findings", ())
        if finding["severity"] != "note"
    ]
    return "\n\n".join(
        [
            "## Data",
            *([sources] if sources else []),
            *([f"SHA-256 of the labelled documents: {code(data['sha256'])}."] if data.get("sha256") else []),
            table(header, parts),
            "How the labels of the training part were found in their texts:",
            table(["field", *WAYS], found),
            *([f"{_FOUND}\n\n" + table(["code", "severity", "field", "places"], problems)] if problems else []),
        ]
    )


def _validation(material: Material) -> list[str]:
    sections = []
    for part, measured in material.report.validation.items():
        rows = [system_row(name, system) for name, system in measured["systems"].items()]
        about = f"{measured['documents']} documents in {measured['groups']} groups{material.note(measured)}"
        sections.append(f"Part {code(part)}, {about}:\n\n{table(list(SYSTEM_HEADER), rows)}")
    if not sections:
        return []
    about = (
        "Nothing was made from these documents. F1 is over (document, field) pairs by value, with 95 % intervals over"
        " groups;\nerrors are those among accepted values; the large tier's share is of requests."
    )
    return ["\n\n".join(["## Validation", about, *sections])]


def _calibration(material: Material) -> list[str]:
    found = material.report.calibration.get("reliability") or []
    if not found:
        return []
    rows = [
        [one["name"], one["count"], percent(one["error"]), f"{one['brier']:.4f}", f"{one['log_loss']:.4f}"]
        for one in found
    ]
    return [
        "## Calibration\n\nHow stated probabilities came true on the calibration documents, before (`score`) and after"
        " (`combined`) combining.\n\n"
        + table(["probability", "answers", "expected calibration error", "Brier score", "log loss"], rows)
    ]


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
    section = _certified(list(task.fields), task.qualities(), policy)
    write_text(path, card[:start] + section + ("\n\n" + rest if rest else "\n"))
    return True


def _certified(fields: Sequence[str], asked: Mapping[str, float], policy: Policy) -> str:
    rows = []
    for chain in policy.thresholds:
        together = policy.whole.get(chain, {}).get(DEFAULT)
        rows.append(
            [
                chain,
                *(max(policy.targets(chain_of(chain), name), default="none") for name in fields),
                (together and together.target) or "none",
            ]
        )
    documents = policy.about.get("calibration", {}).get("documents", "unknown")
    return "\n\n".join(
        [
            _CERTIFIED,
            f"At {100 * (1 - policy.delta):.0f} % confidence, on {documents} calibration"
            " documents. Each cell is the strictest\ntarget certified for that field in that chain of tiers; it holds"
            " for documents drawn like the calibration documents,\nfield by field. The last column holds for all"
            " accepted values taken together, where each field is asked for at its own\ntarget in task.yaml.",
            table(["chain", *fields, "all together"], rows),
            *_for_groups(asked, policy),
        ]
    )


def _for_groups(asked: Mapping[str, float], policy: Policy) -> list[str]:
    """What is certified for groups (merchants), with all tiers and each field at its own target."""
    chain = max(policy.thresholds, key=lambda name: len(chain_of(name)), default="")
    by_field = policy.groups.get(chain, {})
    rows = []
    for name, quality in asked.items():
        served = min((target for target in by_field.get(name, {}) if target >= quality - 1e-9), default=None)
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
        table(["field", "target served", "groups like these", "new groups"], rows),
    ]


def _thresholds(material: Material) -> list[str]:
    """The threshold that serves each field's own target, with all tiers."""
    policy = material.policy
    chain = max(policy.thresholds, key=lambda name: len(chain_of(name)), default="")
    rows = []
    for name, quality in _asked(material.report.fields).items():
        chosen = policy.threshold(chain_of(chain), name, quality)
        if chosen is None:
            continue
        target, threshold = chosen
        if threshold.certified:
            verdict = "yes"
        elif threshold.labels_needed is None:
            verdict = "no; better tiers are needed"
        else:
            verdict = f"no; about {threshold.labels_needed:,} labels would"
        absent = f"{threshold.absent.value:.4g}" if threshold.absent and threshold.absent.certified else "–"
        evidence = f"{threshold.errors} of {threshold.accepted} wrong, at most {percent(threshold.bound)}"
        rows.append([name, target, verdict, f"{threshold.value:.4g}", absent, evidence])
    if not rows:
        return []
    header = ["field", "target", "certified", "accepted from", "absent from", "evidence"]
    return [f"## Thresholds\n\nWith {chain}, each field at its own target.\n\n" + table(header, rows)]


def _costs(material: Material) -> list[str]:
    estimates = material.policy.estimates
    if not estimates:
        return []
    rows = [
        [tier, *(f"{1000 * estimate.cpu_seconds(length):.2f}" for length in (500, 2000, 20000))]
        for tier, estimate in estimates.items()
    ]
    on = material.policy.about.get("hardware") or material.report.hardware
    return [
        "## Cost\n\nCPU milliseconds for a document of that many characters, as measured on"
        f" {plain(on.get('cpu', 'unknown'))}, {on.get('cores', '?')} cores.\n\n"
        + table(["tier", "500", "2,000", "20,000"], rows)
    ]
