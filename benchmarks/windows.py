"""What reading fewer windows of long documents loses, and what it saves.

    python -m benchmarks.windows --task contracts --data D.jsonl --out benchmarks/results/windows-contracts.json

Student and large tier answer every document alone in four ways: from ``every`` window; from the ``first and last``
ones, as they are served without ``windows.json``; from those ``chosen`` by it; and from the ``first`` window only, the
peer that needs no choosing. The ``cascade`` answers it too, as it is served. All answer a document one after the other,
so that a busy machine slows all alike; who begins moves on from document to document. F1 is that of best candidates on
the part that is named (by default the validation part of new groups); intervals are from a bootstrap over groups, and
differences to ``every`` window are paired. CPU milliseconds are the tiers' own work for one document.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gateway.cascade import Run
from gateway.document import Candidate, Document, Proposal, TierName
from gateway.errors import ModelMissing
from gateway.evaluation.bootstrap import GroupBootstrap, f1_of, interval_json, ratio
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.metrics import count_documents
from gateway.evaluation.provenance import hardware, versions
from gateway.evaluation.split import Split
from gateway.evaluation.systems import as_document
from gateway.files import write_json
from gateway.home import Home, find_home
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.base import Tier
from gateway.tiers.decode import propose
from gateway.tiers.encoding import Encoding, Window
from gateway.tiers.loading import load_model_tiers
from gateway.tiers.model import ModelTier
from gateway.tiers.rules.tier import RulesTier

EVERY, SERVED, CASCADE = "every", "chosen", "cascade"
Answers = dict[str, Sequence[Candidate]]
#: From a document to what is answered, the CPU seconds it took and the tokens that were read.
Reader = Callable[[Document], tuple[Answers, float, int]]


def best(task: TaskSpec, proposals: Mapping[str, Proposal]) -> Answers:
    """Best candidates, as `cascade eval` takes a tier that answers alone."""
    return {
        name: proposals[name].candidates if spec.many else proposals[name].candidates[:1]
        for name, spec in task.fields.items()
    }


def as_served(task: TaskSpec, tier: ModelTier) -> Reader:
    """The tier as it is."""

    def read(document: Document) -> tuple[Answers, float, int]:
        output = tier.propose([document], tier.fields)[0]
        return best(task, output.proposals), output.work.cpu_seconds, output.work.tokens

    return read


def from_windows(task: TaskSpec, tier: ModelTier, some: Callable[[list[Window]], list[Window]]) -> Reader:
    """The tier reading ``some`` of a document's windows for all fields, however many they are."""

    def decode(document: Document, encoding: Encoding, windows: list[Window]) -> dict[str, Proposal]:
        found = tier.probabilities([encoding], [windows])[0]
        specs = [task.fields[name] for name in tier.fields]
        return propose(document.text, encoding.offsets, found, specs, tier.forms, tier.name, options=task.options)

    def read(document: Document) -> tuple[Answers, float, int]:
        before = tier.cpu_clock()
        encoding = tier.encoder.encode(document.text, document.context)
        windows = some(tier.encoder.windows(encoding))
        answers = best(task, decode(document, encoding, windows))
        covered = {token for window in windows for token in range(window.start, window.end)}
        return answers, tier.cpu_clock() - before, len(covered)

    return read


def cascade(task: TaskSpec, policy: Policy, tiers: Mapping[TierName, Tier]) -> Reader:
    """The cascade as it is served: each tier is asked for the fields still open."""

    def read(document: Document) -> tuple[Answers, float, int]:
        run = Run(task, policy, fields=tuple(task.fields), quality=None, tiers=tuple(tiers))
        spent, tokens = 0.0, 0
        while (name := run.next_tier()) is not None:
            output = tiers[name].propose([document], run.open_fields())[0]
            spent, tokens = spent + output.work.cpu_seconds, tokens + output.work.tokens
            run.absorb(name, output)
        return {name: found.candidates for name, found in run.result().fields.items()}, spent, tokens

    return read


def readers(home: Home, task: TaskSpec) -> dict[str, Reader]:
    """Every way to answer, by name.

    Raises:
        ModelMissing: a model tier cannot be loaded, or it does not choose among windows.
    """
    tiers: dict[TierName, Tier] = {"rules": RulesTier.load(home.rules, task)}
    found: dict[str, Reader] = {}
    for name, (tier, status) in load_model_tiers(home, task).items():
        if not isinstance(tier, ModelTier):
            raise ModelMissing(f"{task.name}: {name}: {status.problem or 'not a local model'}")
        if tier.chooser is None:
            raise ModelMissing(f"{task.name} has no windows.json: every window is read")
        tiers[name] = tier
        found[f"{name}, {EVERY}"] = from_windows(task, tier, lambda windows: windows)
        found[f"{name}, first and last"] = as_served(task, replace(tier, chooser=None))
        found[f"{name}, {SERVED}"] = as_served(task, tier)
        found[f"{name}, first"] = from_windows(task, tier, lambda windows: windows[:1])
    found[CASCADE] = cascade(task, Policy.load(home.models / task.name / "policy.json"), tiers)
    return found


def measure(
    task: TaskSpec, ways: Mapping[str, Reader], documents: Sequence[LabelledDocument], groups: Sequence[str]
) -> dict[str, Any]:
    """For every way F1, CPU milliseconds and tokens, and for a tier's ways what they lose against ``every`` window."""
    names = list(ways)
    answers: dict[str, list[Answers]] = {name: [] for name in names}
    spent: dict[str, list[float]] = {name: [] for name in names}
    tokens: dict[str, list[int]] = {name: [] for name in names}
    inputs = [as_document(document) for document in documents]
    for name in names:
        ways[name](inputs[0])  # the runtime's first passes are slow
    for number, document in enumerate(tqdm(inputs, unit="document")):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            said, seconds, read = ways[name](document)
            answers[name].append(said)
            spent[name].append(seconds)
            tokens[name].append(read)
    bootstrap = GroupBootstrap(groups)
    counts = {name: count_documents(task, documents, found, "normalised").sum(1) for name, found in answers.items()}
    rows: dict[str, Any] = {}
    for name in names:
        reference = f"large, {EVERY}" if name == CASCADE else f"{name.split(',')[0]}, {EVERY}"
        costs = np.stack([spent[name], spent[reference]], axis=1)
        share = bootstrap.interval(costs, lambda sums: ratio(sums[:, 0], sums[:, 1]))
        rows[name] = {
            "f1": _f1(counts[name]),
            "interval": interval_json(bootstrap.interval(counts[name], f1_of)),
            "cpu_ms_a_document": round(1000 * float(np.mean(spent[name])), 2),
            "tokens_a_document": round(float(np.mean(tokens[name])), 1),
            "compared_with": reference,
            "f1_difference": _f1(counts[name]) - _f1(counts[reference]),
            "f1_difference_interval": interval_json(bootstrap.difference(counts[name], counts[reference], f1_of)),
            "cost_share": float(costs[:, 0].sum() / costs[:, 1].sum()),
            "cost_share_interval": interval_json(share),
        }
    return rows


def _f1(counts: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    return float(f1_of(counts.sum(axis=0).astype(np.float64)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="contracts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", default="validation-unseen")
    parser.add_argument("--limit", type=int, help="most documents, for a trial")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    home = find_home(None)
    task = home.task(arguments.task)
    split = Split.load(home.models / task.name / "split.json")
    documents = split.select(read_dataset(arguments.data), arguments.part)[: arguments.limit]
    groups = [split.group_of(document) for document in documents]
    rows = measure(task, readers(home, task), documents, groups)
    result = {
        "command": shlex.join(["python", "-m", "benchmarks.windows", *sys.argv[1:]]),
        "hardware": hardware(),
        "versions": versions(),
        "task": task.name,
        "part": arguments.part,
        "documents": len(documents),
        "groups": len(set(groups)),
        "mean_characters": round(float(np.mean([len(document.text) for document in documents]))),
        "systems": rows,
    }
    for name, row in rows.items():
        print(f"{name:24} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
