"""The report page of a training run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.evaluation.figures import NO_FIGURES, can_draw
from training.report import drawing
from training.report.certified import TARGETS_HEADER, target_rows, together_rows
from training.report.html import Markup, facts, figure, join, page, paragraph, table, tag
from training.report.html import escape as text
from training.report.material import Material
from training.tables import SYSTEM_HEADER, WAYS, percent, system_row, with_interval

#: The file's name, beside a task's models.
PAGE = "report.html"


def render_page(material: Material) -> str:
    """``report.html``: data, models, validation, calibration, cost, time, recipe, files and limits of a run.

    It holds numbers and names, and no text of documents.
    """
    sections = [
        ("data", "Data", _data(material)),
        ("training", "Training", _training(material)),
        ("validation", "Validation", _validation(material)),
        ("calibration", "Calibration", _calibration(material)),
        ("certified", "What is certified", _certified(material)),
        ("cost", "Cost and latency", _cost(material)),
        ("time", "Time", _time(material)),
        ("recipe", "Recipe", _recipe(material)),
        ("files", "Files and licences", _files(material)),
        ("limits", "Limits", _limits(material)),
    ]
    return page(f"Training of the task {material.report.task}", _lead(material), sections)


def _lead(material: Material) -> Markup:
    report = material.report
    machine = report.hardware
    packages = [f"{name} {machine[name]}" for name in ("python", "torch", "onnxruntime") if machine.get(name)]
    fields = [
        f"{name} ({found.get('type')}{', many' if found.get('many') else ''})" for name, found in report.fields.items()
    ]
    pairs = [
        ("Command", report.command),
        ("Finished", report.created),
        ("Hardware", f"{machine.get('cpu', 'unknown')}, {machine.get('cores', '?')} cores"),
        ("Software", ", ".join(packages)),
        ("Time", f"{report.training_hours:.2f} hours"),
        ("Fields", ", ".join(fields)),
    ]
    note = Markup("") if can_draw() else paragraph(NO_FIGURES, "note")
    return join([facts(pairs), _headline(report.validation), note])


def _headline(validation: Mapping[str, Any]) -> Markup:
    lines = []
    for part, measured in validation.items():
        cascade = measured["systems"].get("cascade", {})
        if not cascade.get("available"):
            continue
        score = cascade["scores"]["normalised"]["micro"]
        wrong = cascade["decisions"]["accepted_present"]
        cost = (measured.get("comparison") or {}).get("cost_of_always_large") or {}
        line = f"{part}: the cascade's F1 is {with_interval(score['f1'], score['intervals']['f1'])}"
        line += f"; it accepts {percent(cascade['decisions']['share_accepted'])} of the answers,"
        line += f" and {percent(wrong['error'])} of its accepted values are wrong"
        if cost.get("value") is not None:
            line += f"; it costs {percent(cost['value'])} of the large tier alone"
        lines.append(tag("li", text(line + ".")))
    return tag("ul", *lines) if lines else Markup("")


def _data(material: Material) -> Markup:
    data, check = material.report.data, material.report.check
    groups = data.get("groups", {})
    parts = [[part, number, groups.get(part)] for part, number in data.get("parts", {}).items()]
    return join(
        [
            facts(
                [
                    ("Labelled documents", data.get("path")),
                    ("SHA-256", data.get("sha256")),
                    ("Unlabelled documents used", data.get("unlabelled")),
                    ("Unlabelled file", data.get("unlabelled_path")),
                    ("Unlabelled SHA-256", data.get("unlabelled_sha256")),
                    ("Documents in no part", data.get("without_part")),
                    ("Grouped by", ", ".join(data.get("grouped_by", ()))),
                ]
            ),
            *(tag("ul", *(tag("li", text(source)) for source in material.sources)) for _ in [0] if material.sources),
            table("Documents by part", ["part", "documents", "groups"], parts),
            _field_counts(data.get("fields", {})),
            _lengths((check or {}).get("lengths")),
            table(
                "How the labels of the training part were found in their texts",
                ["field", *WAYS],
                [[name, *(found.get(way, 0) for way in WAYS)] for name, found in material.report.alignment.items()],
            ),
            _findings(check),
            table(
                "Windows of long documents",
                ["field", "values", "reached", "windows read"],
                [
                    [name, found.get("values"), percent(found.get("reached")), percent(found.get("read"))]
                    for name, found in material.report.windows.items()
                ],
            ),
        ]
    )


def _field_counts(fields: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Markup:
    rows = [
        [name, part, *(counts.get(key, 0) for key in ("present", "absent", "unannotated", "values"))]
        for name, by_part in fields.items()
        for part, counts in by_part.items()
    ]
    header = ["field", "part", "present", "absent", "not annotated", "values"]
    return table("Documents by field: with a value, without one, not annotated", header, rows, text=[1])


def _lengths(lengths: Mapping[str, Any] | None) -> Markup:
    if not lengths:
        return Markup("")
    rows = [
        [what, *(lengths[key].get(column) for column in ("median", "p95", "most"))]
        for key, what in (("characters", "characters"), ("tokens_estimated", "tokens (estimated)"), ("lines", "lines"))
        if key in lengths
    ]
    return table("Length of the documents", ["", "median", "95 % up to", "most"], rows)


def _findings(check: Mapping[str, Any] | None) -> Markup:
    if check is None:
        return Markup("")
    rows = [
        [one["code"], one["severity"], one["field"], one["count"], one["message"], one["remedy"]]
        for one in check.get("findings", ())
    ]
    if not rows:
        return paragraph("The check of the data found nothing conspicuous.")
    header = ["code", "severity", "field", "places", "what", "what to do"]
    return table("What the check of the data found", header, rows, text=[1, 2, 4, 5])


def _training(material: Material) -> Markup:
    reports = {"large": material.report.large, "student": material.report.student}
    histories = {name: list(found.get("history", ())) for name, found in reports.items() if found}
    kept = {name: [epoch for epoch in found if "undone" not in epoch] for name, found in histories.items()}
    loss = {name: [(epoch["epoch"], epoch["loss"]) for epoch in found] for name, found in kept.items()}
    f1 = {
        name: [(epoch["epoch"], epoch["f1"]["micro"]) for epoch in found if (epoch.get("f1") or {}).get("micro")]
        for name, found in kept.items()
    }
    rows = [
        [
            name,
            epoch["epoch"],
            f"{epoch['loss']:.4f}" + (" (undone)" if "undone" in epoch else ""),
            *([f"{epoch['f1']['micro']:.2f}"] if (epoch.get("f1") or {}).get("micro") is not None else [None]),
            f"{epoch['seconds']:.1f}",
        ]
        for name, found in histories.items()
        for epoch in found
    ]
    return join(
        [
            figure(drawing.training_curves(loss, f1), "Loss and development F1 after every epoch."),
            table("Epochs", ["model", "epoch", "loss", "development F1, %", "seconds"], rows),
            _export(material.report.student or {}),
        ]
    )


def _export(student: Mapping[str, Any]) -> Markup:
    export = student.get("export") or {}
    rows: list[list[Any]] = []
    if student.get("parameters"):
        rows.append(["parameters", f"{student['parameters']:,}"])
    if export:
        rows += [
            ["largest difference of a logit, ONNX to torch", f"{export['parity']:.2g}"],
            ["development F1 in float32, %", f"{export['f1_float']:.2f}"],
            ["development F1 in int8, %", f"{export['f1_int8']:.2f}"],
            ["size in float32", size(export["bytes_float"])],
            ["size in int8", size(export["bytes_int8"])],
        ]
    return table("The student's export and its gates", ["gate", "measured"], rows)


def _validation(material: Material) -> Markup:
    content: list[Markup] = []
    shown: list[tuple[str, str, float, float, float]] = []
    for part, measured in material.report.validation.items():
        rows = [system_row(name, system) for name, system in measured["systems"].items()]
        caption = f"{part}: {measured['documents']} documents in {measured['groups']} groups{material.note(measured)}"
        content.append(table(caption, SYSTEM_HEADER, rows))
        content.append(_fields(part, measured["systems"]))
        for name, system in measured["systems"].items():
            if not system.get("available"):
                continue
            score = system["scores"]["normalised"]["micro"]
            interval = score["intervals"]["f1"]
            if score["f1"] is not None and interval is not None:
                shown.append((f"{name}, {part}", name, score["f1"], *interval))
    if not content:
        return paragraph("No validation part was measured. `cascade eval` measures what is served.", "note")
    caption = "F1 by value with 95 % intervals over groups, on documents that nothing was made from."
    return join([figure(drawing.intervals(shown, "F1, %"), caption), *content])


def _fields(part: str, systems: Mapping[str, Any]) -> Markup:
    available = {name: system for name, system in systems.items() if system.get("available")}
    if not available:
        return Markup("")
    names = list(next(iter(available.values()))["scores"]["normalised"]["fields"])
    rows = []
    for field in names:
        row: list[Any] = [field]
        for system in available.values():
            score = system["scores"]["normalised"]["fields"][field]
            row.append(with_interval(score["f1"], score["intervals"]["f1"]))
        rows.append(row)
    return table(f"{part}: F1 by field", ["field", *available], rows)


def _calibration(material: Material) -> Markup:
    calibration = material.report.calibration
    found = calibration.get("reliability") or []
    made, now = calibration.get("created"), material.policy.about.get("created")
    stale = bool(found) and made != now
    rows = [
        [one["name"], one["count"], percent(one["error"]), f"{one['brier']:.4f}", f"{one['log_loss']:.4f}"]
        for one in found
    ]
    header = ["probability", "answers", "expected calibration error", "Brier score", "log loss"]
    note = f"The policy was calibrated again ({now}); these figures are of the run ({made})."
    caption = (
        "Stated probability against the share that was right, before (score) and after (combined) the combiners; lines"
        " are exact 95 % intervals."
    )
    return join(
        [
            paragraph(note, "note") if stale else Markup(""),
            figure(drawing.reliability_diagrams(found), caption),
            table(f"On {calibration.get('documents', 0)} calibration documents", header, rows),
        ]
    )


def _certified(material: Material) -> Markup:
    policy, fields = material.policy, list(material.report.fields)
    chain, rows = target_rows(fields, policy)
    confidence = f"At {100 * (1 - policy.delta):.0f} % confidence, with {chain}."
    return join(
        [
            paragraph(confidence) if rows else Markup(""),
            table("Targets by field, with the evidence behind them", TARGETS_HEADER, rows, text=[2]),
            table(
                "All accepted values taken together, each field asked for at its own target",
                ["chain", "certified", "accepted", "wrong", "labels needed for more"],
                together_rows(policy),
                text=[1],
            ),
        ]
    )


def _cost(material: Material) -> Markup:
    points: Sequence[Mapping[str, Any]] = material.report.calibration.get("curve") or []
    estimates = material.policy.estimates
    on = material.policy.about.get("hardware") or material.report.hardware
    rows = [
        [tier, *(f"{1000 * estimate.cpu_seconds(length):.2f}" for length in (500, 2000, 20000))]
        for tier, estimate in estimates.items()
    ]
    where = f"{on.get('cpu', 'unknown')}, {on.get('cores', '?')} cores"
    listed = [
        [
            f"{one['kind']} {one['name']}",
            f"{one['cost']:.4g}",
            percent(one.get("large_share")),
            percent(one.get("accepted_share")),
            percent(one.get("selective_error")),
            percent(one.get("right_share")),
        ]
        for one in points
        if one["kind"] != "threshold"
    ]
    caption = (
        "Squares are single tiers; circles the cascade at a target, filled where it is certified; the star takes the"
        " cheapest right tier every time."
    )
    header = ["way", "cost, large alone = 1", "reach large", "accepted", "wrong among accepted", "right"]
    return join(
        [
            figure(drawing.cost_curve(points), caption),
            table("Cost and quality on the calibration documents", header, listed),
            table(f"CPU milliseconds by length in characters ({where})", ["tier", "500", "2,000", "20,000"], rows),
        ]
    )


def _time(material: Material) -> Markup:
    seconds = [(name, float(found)) for name, found in material.report.stage_seconds.items()]
    rows = [[name, f"{found:.1f}"] for name, found in seconds]
    return join(
        [
            figure(drawing.bars([(name, found / 60) for name, found in seconds], "minutes"), "Wall time by stage."),
            table("Wall time by stage", ["stage", "seconds"], rows),
        ]
    )


def _recipe(material: Material) -> Markup:
    return tag("pre", tag("code", text(material.recipe_text)), tabindex="0") if material.recipe_text else Markup("")


def _files(material: Material) -> Markup:
    files = [[name, size(number), digest] for name, (number, digest) in material.files.items()]
    bases = [[name, base.get("licence"), base.get("hub")] for name, base in material.report.bases.items()]
    return join(
        [
            table("Files of this run", ["file", "size", "SHA-256"], files, text=[2]),
            table("Base models", ["base", "licence", "hub"], bases, text=[1, 2]),
        ]
    )


def _limits(material: Material) -> Markup:
    lines = [
        "Trained on the kind of documents named above. Documents of other countries, languages and layouts are answered"
        " worse, and no guarantee covers them.",
        "What the labels never show was not learned: where every document shows every field, absence was not.",
        "A certificate holds for documents drawn like the calibration documents. It is void once the rules, a field or"
        " a model is another one than was calibrated; the gateway then decides nothing by it.",
    ]
    if not material.report.validation:
        lines.append("No figure of the whole cascade was measured in this run.")
    return tag("ul", *(tag("li", text(line)) for line in lines))


def size(number: int) -> str:
    """A size for people."""
    return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 1024:.1f} KiB"
