"""The rules tier's speed against other ways to run the same patterns, in one run.

    pip install presidio-analyzer spacy
    python benchmarks/rules.py --receipts ../shared/data/receipts/train.jsonl --out benchmarks/results/rules.json

10, 100 and 1,000 rules on documents of 0.5, 2 and 30 kB (made up, seeded: benchmarks/rulesets.py). Systems take turns,
so that a busy machine slows all alike:

* `gateway`: the rules tier as it serves; `gateway-all`: the same without its prefilter, every rule run on every text.
* `loop`: a plain loop over the same compiled patterns (regex module), every match taken.
* `presidio`: one PatternRecognizer a rule with the same pattern, each asked in turn, as Presidio's analyzer does.
* `spacy`: a blank English pipeline and one Matcher with a token pattern for every rule (tokens cannot say all that the
  patterns say, so it finds other things).

Medians of processor time (of the thread) over documents and rounds. The run checks that the gateway finds something
with the same rules as the loop. Presidio and spaCy are no dependencies: without them their columns are left out. With
`--receipts`, the shipped receipts rules are timed, too, with and without prefilter, on the documents of the train part.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import regex
import yaml
from rulesets import RULES_EACH, RuleSource, document, rules_of, vocabularies

from gateway.document import Document
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split
from gateway.files import write_json
from gateway.home import find_home
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules import RulesTier, TimeLimits, load_rules
from training.card import hardware

COUNTS = (10, 100, 1000)
SIZES = (500, 2_000, 30_000)
#: What is timed here is finding, and a stop would end it early.
LIMITS = TimeLimits(60.0, 600.0)
#: Seconds one system may take in one cell: slow ones get fewer rounds.
CELL_SECONDS = 4.0

System = Callable[[str], object]


def task_of(count: int) -> TaskSpec:
    """Ten fields, one for each form of rule."""
    fields = {f"field{number}": FieldSpec(f"field{number}", "text") for number in range(min(RULES_EACH, count))}
    return TaskSpec("bench", fields)


def write_rules(directory: Path, rules: list[RuleSource], task: TaskSpec) -> None:
    (directory / task.name).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(task.fields):
        entries = [
            {"id": rule.identifier, "kind": "pattern", "pattern": rule.pattern} for rule in rules[number::RULES_EACH]
        ]
        content = yaml.safe_dump({"field": name, "rules": entries}, allow_unicode=True)
        (directory / task.name / f"{name}.yaml").write_text(content, "utf-8")


def gateway(tier: RulesTier) -> System:
    fields = tuple(tier.rules.task.fields)
    return lambda text: tier.propose([Document(text)], fields)


def loop(rules: list[RuleSource]) -> System:
    patterns = [regex.compile(rule.pattern, regex.IGNORECASE | regex.MULTILINE) for rule in rules]
    return lambda text: [[match.span() for match in pattern.finditer(text)] for pattern in patterns]


def presidio(rules: list[RuleSource]) -> System | None:
    try:
        from presidio_analyzer import Pattern, PatternRecognizer
    except ImportError:
        return None
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    flags = regex.IGNORECASE | regex.MULTILINE
    recognisers = [
        PatternRecognizer(
            supported_entity=f"ENTITY_{number}",
            patterns=[Pattern(rule.identifier, rule.pattern, 0.5)],
            global_regex_flags=flags,
        )
        for number, rule in enumerate(rules)
    ]
    return lambda text: [
        recogniser.analyze(text, recogniser.supported_entities, None, flags) for recogniser in recognisers
    ]


def spacy_matcher(rules: list[RuleSource]) -> System | None:
    try:
        import spacy
        from spacy.matcher import Matcher
    except ImportError:
        return None
    pipeline = spacy.blank("en")
    matcher = Matcher(pipeline.vocab)
    for rule in rules:
        matcher.add(rule.identifier, [rule.tokens])
    return lambda text: matcher(pipeline(text))


def measure(systems: dict[str, System], texts: list[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of processor time, a document each.

    Systems take turns, each with all documents: what one leaves in the processor's caches slows the next one's first
    document only.
    """
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for system in systems.values():
        system(texts[0])
    for _ in range(rounds):
        for name, system in systems.items():
            if sum(seconds[name]) > CELL_SECONDS:
                continue
            for text in texts:
                started = time.thread_time()
                system(text)
                seconds[name].append(time.thread_time() - started)
    return seconds


def check(tier: RulesTier, text: str, rules: list[RuleSource]) -> int:
    """How many rules found something: the same for the gateway as for the loop."""
    traced = tier.trace(Document(text), tuple(tier.rules.task.fields))
    found = {run.rule.spec.id for runs in traced.values() for run in runs if run.candidates}
    matches = loop(rules)(text)
    expected = {rule.identifier for rule, spans in zip(rules, matches, strict=True) if spans}
    if found != expected:
        raise SystemExit(f"the gateway and the loop differ: {sorted(found ^ expected)}")
    return len(found)


def synthetic(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    kinds = vocabularies(max(COUNTS) // RULES_EACH, arguments.seed)
    rules = [rule for number, words in enumerate(kinds) for rule in rules_of(number, words)]
    trade = kinds[:: len(kinds) // 10]
    cells: list[dict[str, Any]] = []
    loads: list[dict[str, Any]] = []
    for count in COUNTS:
        chosen = rules[:count]
        task = task_of(count)
        write_rules(directory / str(count), chosen, task)
        regex.purge()
        started = time.thread_time()
        compiled = load_rules(directory / str(count), task)
        read = time.thread_time()
        tier = RulesTier(compiled, limits=LIMITS)
        built = time.thread_time()
        loads.append({"rules": count, "load_ms": ms(read - started), "prefilter_ms": ms(built - read)})
        made: dict[str, System | None] = {
            "gateway": gateway(tier),
            "gateway-all": gateway(RulesTier(compiled, limits=LIMITS, prefilter=False)),
            "loop": loop(chosen),
            "presidio": presidio(chosen),
            "spacy": spacy_matcher(chosen),
        }
        systems = {name: system for name, system in made.items() if system is not None}
        for size in SIZES:
            texts = [document(kinds[0], trade, size, arguments.seed + number) for number in range(arguments.documents)]
            found = [check(tier, text, chosen) for text in texts]
            seconds = measure(systems, texts, arguments.rounds)
            medians = {name: statistics.median(taken) for name, taken in seconds.items()}
            cells.append(
                {
                    "rules": count,
                    "characters": size,
                    "rules_that_found": round(statistics.mean(found), 1),
                    "median_ms": {name: ms(median) for name, median in medians.items()},
                    "times_the_gateway": {
                        name: round(median / medians["gateway"], 1) for name, median in medians.items()
                    },
                }
            )
            print(f"{count:5} rules {size:6} characters  " + row(cells[-1]["median_ms"]))
    growth = {
        str(size): round(cell(cells, 1000, size) / cell(cells, 100, size), 2) for size in SIZES
    }  # fmt: skip
    print("1,000 rules over 100 rules, gateway: " + row(growth))
    return {"cells": cells, "load": loads, "gateway_1000_over_100": growth}


def cell(cells: list[dict[str, Any]], count: int, size: int) -> float:
    [found] = [entry for entry in cells if (entry["rules"], entry["characters"]) == (count, size)]
    return float(found["median_ms"]["gateway"])


def receipts(path: Path, rounds: int) -> dict[str, Any]:
    home = find_home(None)
    task = home.task("receipts")
    split = Split.load(home.models / "receipts" / "split.json")
    texts = [item.text for item in split.select(read_dataset(path), "train")]
    compiled = load_rules(home.rules, task)
    systems = {
        "gateway": gateway(RulesTier(compiled, limits=LIMITS)),
        "gateway-all": gateway(RulesTier(compiled, limits=LIMITS, prefilter=False)),
    }
    seconds = measure(systems, texts, rounds)
    medians = {name: ms(statistics.median(taken)) for name, taken in seconds.items()}
    print(f"receipts: {len(compiled.rules)} rules, {len(texts)} documents  " + row(medians))
    return {"rules": len(compiled.rules), "documents": len(texts), "median_ms": medians}


def ms(seconds: float) -> float:
    return round(1000 * seconds, 4)


def row(values: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value}" for name, value in values.items())


def versions() -> dict[str, str]:
    found = {}
    for name in ("regex", "ahocorasick-rs", "presidio-analyzer", "spacy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            print(f"{name} is not installed: left out (pip install {name})", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--documents", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--receipts", type=Path, help="the receipts data set, for the shipped rules")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "command": shlex.join(["python", *sys.argv]),
        "hardware": hardware(),
        "versions": versions(),
        "seed": arguments.seed,
        "documents": arguments.documents,
        "rounds": arguments.rounds,
        "time": "processor time of the thread, medians",
    }
    with tempfile.TemporaryDirectory() as directory:
        result |= synthetic(arguments, Path(directory))
    if arguments.receipts:
        result["receipts"] = receipts(arguments.receipts, 3)
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
