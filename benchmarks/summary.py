"""Write the tables of README.md, docs/guarantee.md, docs/serving.md and docs/tasks.md from the committed result files;
none is typed by hand.

python benchmarks/summary.py            rewrites all between their result markers
python benchmarks/summary.py --check    says whether they are what the result files give
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks import audits, guarantee, tasks
from benchmarks.serving import page
from gateway.files import write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PARTS = {"validation-seen": "merchants known from training", "validation-unseen": "new merchants"}
SYSTEMS = ("rules", "student", "large", "cascade")


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((RESULTS / name).read_text("utf-8"))
    return loaded


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def between(value: dict[str, Any] | None) -> str:
    """A share with its interval, in per cent."""
    if value is None:
        return "–"
    low, high = value["interval"] or (None, None)
    return f"{percent(value['value'])} [{percent(low)}, {percent(high)}]"


def table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def scores(report: dict[str, Any]) -> str:
    rows = []
    for name in SYSTEMS:
        system = report["systems"][name]
        if not system["available"]:
            rows.append([name, *["not run"] * 5])
            continue
        cells = []
        for measure in ("normalised", "strict"):
            micro = system["scores"][measure]["micro"]
            low, high = micro["intervals"]["f1"]
            cells.append(f"{percent(micro['f1'])} [{percent(low)}, {percent(high)}]")
        fields = system["scores"]["normalised"]["fields"]
        cells.append(", ".join(f"{field} {percent(score['f1'])}" for field, score in fields.items()))
        cells.append(f"{1000 * system['cost']['cpu_seconds_per_document']:.1f}")
        rows.append([f"**{name}**" if name == "cascade" else name, *cells])
    header = ["system", "normalised F1", "strict F1", "normalised F1 by field", "CPU ms a receipt"]
    return table(header, rows)


def comparison(report: dict[str, Any]) -> str:
    compared = report["comparison"]
    best = compared["cascade_less_best_tier"]["normalised"]
    decisions = report["systems"]["cascade"]["decisions"]
    wrong = decisions["accepted_present"]
    low, high = wrong["interval"] or (None, None)
    bounds = best["interval"] or (0.0, 0.0)
    return (
        f"Cascade less {best['best']} (its best single tier), normalised F1, paired over merchants:"
        f" {100 * best['value']:+.1f} points [{100 * bounds[0]:+.1f}, {100 * bounds[1]:+.1f}]."
        f" s = {between(compared['s'])} %, p = {between(compared['p'])} % of requests reached the large tier;"
        f" cost {between(compared['cost_of_always_large'])} % of always asking it."
        f" {percent(decisions['share_accepted'])} % of answers were accepted, {percent(wrong['error'])} %"
        f" [{percent(low)}, {percent(high)}] of those wrong ({wrong['errors']} of {wrong['judged']})."
    )


def together(reports: list[dict[str, Any]]) -> str:
    """All parts taken together: F1 from summed counts, cost and reach weighted by documents."""
    rows = []
    documents = [report["data"]["documents"] for report in reports]
    seconds = {}
    for name in SYSTEMS:
        systems = [report["systems"][name] for report in reports]
        if not all(system["available"] for system in systems):
            continue
        cells = []
        for measure in ("normalised", "strict"):
            counts = [system["scores"][measure]["micro"] for system in systems]
            right = sum(count["true_positives"] for count in counts)
            wrong = sum(count["false_positives"] + count["false_negatives"] for count in counts)
            cells.append(percent(2 * right / (2 * right + wrong)))
        seconds[name] = sum(
            number * system["cost"]["cpu_seconds_per_document"]
            for number, system in zip(documents, systems, strict=True)
        )
        reached = sum(
            number * system["escalation"]["requests"]["large"]
            for number, system in zip(documents, systems, strict=True)
        )
        cells += [percent(reached / sum(documents)), f"{1000 * seconds[name] / sum(documents):.1f}"]
        rows.append([f"**{name}**" if name == "cascade" else name, *cells])
    for row in rows:
        row.append(percent(seconds[row[0].strip("*")] / seconds["large"]) if "large" in seconds else "–")
    header = ["system", "normalised F1", "strict F1", "reached large, %", "CPU ms a receipt", "cost, % of always large"]
    found = f"**Both validation parts together**, {sum(documents)} receipts\n\n" + table(header, rows)
    return "\n\n".join([found, *([in_money(seconds, sum(documents))] if "large" in seconds else [])])


def in_money(seconds: dict[str, float], documents: int) -> str:
    """What a million receipts cost, at the price that the task states."""
    prices = yaml.safe_load((ROOT / "rules" / "receipts" / "task.yaml").read_text("utf-8"))["prices"]
    million = {name: 1e6 * spent / documents * prices["cpu_second"] for name, spent in seconds.items()}
    return (
        f"In money, at {3600 * prices['cpu_second']:.3g} {prices['currency']} an hour for one core: a million receipts"
        f" cost {million['large']:.2f} {prices['currency']} if the large tier is always asked, and"
        f" {million['cascade']:.2f} {prices['currency']} in the cascade. This is the tiers' own work; what HTTP, JSON"
        " and metrics add is in what `cascade cost` shows, not in these tables."
    )


def tiers() -> str:
    measured = load("tiers.json")
    rows = [
        [
            name,
            f"{row['median_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            f"{row['mean_cpu_ms']:.1f}",
            f"{100 * row['cpu_share_of_reference']:.1f} %",
            f"{row['normalised_f1']:.1f}",
        ]
        for name, row in measured["systems"].items()
    ]
    size = {name: f"{number / 1e6:.1f} MB" for name, number in measured["bytes"].items()}
    machine = measured["hardware"]
    return (
        table(["tier", "median ms", "p95 ms", "CPU ms", f"CPU relative to {measured['reference']}", "F1"], rows)
        + f"\n\n{measured['documents']} receipts of the development part, one at a time, {measured['threads']} thread,"
        f" all systems in turn; {machine['cpu']}, {machine['cores']} cores, onnxruntime {machine['onnxruntime']}."
        f" Student file {size['student-int8']}; large tier {size['large-int8']} as int8, adapter {size['adapter']}."
        f" Made by `{measured['command']}`."
    )


def oracle() -> str:
    """What a perfect choice among the tiers would reach."""
    policy = json.loads((ROOT / "models" / "receipts" / "policy.json").read_text("utf-8"))
    shares = policy["about"]["shares_right"]
    single = ", ".join(f"{name} {percent(shares[name]['all'])}" for name in SYSTEMS if name in shares)
    return (
        f"Answers that are right on the {policy['about']['calibration']['documents']} calibration receipts"
        f" (`policy.json`), in per cent: {single}; at least one of the tiers {percent(shares['any']['all'])}."
    )


def unlabelled() -> str:
    path = ROOT / "training" / "results" / "receipts-unlabelled.csv"
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = ("development_f1", "validation_seen_f1", "validation_unseen_f1")
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        runs = [row for row in rows if row["variant"] == variant]
        figures = [[float(run[column]) for run in runs] for column in columns]
        cells = [
            f"{statistics.mean(values):.1f}" + (f" ({min(values):.1f} to {max(values):.1f})" if len(runs) > 1 else "")
            for values in figures
        ]
        lines.append([variant, runs[0]["unlabelled"], str(len(runs)), *cells])
    first = rows[0]
    return (
        f"What unlabelled receipts bring to a {first['layers']}-layer student ({first['epochs']} epochs; normalised F1,"
        " mean and range over seeds):\n\n"
        + table(["variant", "unlabelled", "seeds", "development", "validation-seen", "validation-unseen"], lines)
    )


def other_task(name: str) -> str:
    """The cascade on new groups of another task, in a sentence."""
    path = RESULTS / f"eval-{name}-validation-unseen.json"
    if not path.is_file():
        return ""
    report = load(path.name)
    systems, compared = report["systems"], report["comparison"]
    scores = ", ".join(
        f"{system} {percent(systems[system]['scores']['normalised']['micro']['f1'])}"
        for system in SYSTEMS
        if systems[system]["available"]
    )
    decisions = systems["cascade"]["decisions"]
    wrong = decisions["accepted_present"]
    return (
        f"**{name}**, {report['data']['documents']} documents of new groups: normalised F1 {scores}."
        f" p = {between(compared['p'])} %, cost {between(compared['cost_of_always_large'])} % of always asking the"
        f" large tier; {percent(decisions['share_accepted'])} % of answers accepted, {percent(wrong['error'])} % of the"
        f" values among them wrong ({wrong['errors']} of {wrong['judged']}). [docs/tasks.md](docs/tasks.md) has all"
        " tasks."
    )


def render() -> str:
    """The text between the markers."""
    blocks = [together([load(f"eval-{part}.json") for part in PARTS])]
    for part, meaning in PARTS.items():
        report = load(f"eval-{part}.json")
        data = report["data"]
        quality = ", ".join(f"{name} {target:g}" for name, target in report["quality_by_field"].items())
        where = f"{data['documents']} receipts of {data['groups']} {meaning}"
        blocks.append(f"**{part}**: {where}, quality {quality}")
        blocks += [scores(report), comparison(report)]
        blocks.append(f"`{report['provenance']['command']}`")
    hardware = load("eval-validation-seen.json")["provenance"]["hardware"]
    blocks.append(
        "Figures are per cent with 95 % intervals from a bootstrap over merchants; about 125 receipts resolve"
        f" differences of about 2 points, so claim no more. Measured on {hardware['cpu']}, {hardware['cores']} cores."
    )
    seconds = load("fresh-clone.json")["seconds"]
    blocks += [tiers(), unlabelled(), *(other_task(name) for name in tasks.TASKS[1:]), oracle()]
    blocks.insert(
        -1, f"From a fresh clone to the first extraction: {seconds:.0f} s (`python benchmarks/fresh_clone.py`)."
    )
    return "\n\n".join(block for block in blocks if block)


def placed(page: Path, marker: str, content: str) -> tuple[str, str]:
    """A page as it is, and with this content between its markers."""
    text = page.read_text("utf-8")
    start, end = f"<!-- results:{marker} -->", f"<!-- /results:{marker} -->"
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1] if end in rest else rest
    return text, f"{before}{start}\n\n{content}\n\n{end}{after}"


def main() -> int:
    pages = {
        ROOT / "README.md": ("receipts", render()),
        ROOT / "docs" / "audit.md": ("audits", audits.render()),
        ROOT / "docs" / "guarantee.md": ("guarantee", guarantee.render()),
        ROOT / "docs" / "serving.md": ("serving", page.render()),
        ROOT / "docs" / "tasks.md": ("tasks", tasks.render()),
    }
    different = 0
    for path, (marker, content) in pages.items():
        text, wanted = placed(path, marker, content)
        if "--check" not in sys.argv[1:]:
            write_text(path, wanted)
        elif wanted == text:
            print(f"{path.name} is up to date")
        else:
            print(f"{path.name} differs: run python benchmarks/summary.py")
            different = 1
    return different


if __name__ == "__main__":
    raise SystemExit(main())
