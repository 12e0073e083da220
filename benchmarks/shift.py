"""How soon a change of traffic is noticed without labels, and how often falsely, on receipts.

    python benchmarks/shift.py --data ../shared/data/receipts --out benchmarks/results/shift.json

The reference is the part calibration; words of the part train count as known. Documents that a filter keeps out are in
neither: the service does not compare them. Traffic, in many random orders:

* reshuffled: calibration and validation-seen shuffled together and parted anew into reference and traffic, so that
  nothing has changed and every alarm is false;
* seen: validation-seen, against the calibration part as it is, so that nobody can have shuffled a difference away. An
  alarm is all but false: the mix differs by the few merchants of the calibration part that are new. There is one such
  pair of parts: the orders are random, the documents are the same each time;
* unseen: validation-unseen, receipts of merchants that are new;
* foreign: receipts of other countries (unlabelled.jsonl).

And what the whole cascade still accepts with a guarantee of each, at the task's own targets: of foreign receipts it
should be little, for the guarantee does not speak of them, and nobody has labels to say how much of it is right.

The peer, in the same run, on the same signals: a two-sample Kolmogorov-Smirnov test of the mean signal in windows of 50
documents, each at 5 %, as dashboards do.
"""

from __future__ import annotations

import argparse
import math
import random
import shlex
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gateway.audit.evidence import Alarm
from gateway.audit.reference import Reference
from gateway.audit.shift import Shift
from gateway.audit.signals import SIGNALS, Vocabulary, signals_of
from gateway.cascade import FieldResult
from gateway.cli.session import Session, open_session
from gateway.engine import Request
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.provenance import hardware
from gateway.evaluation.split import Split
from gateway.evaluation.systems import as_document
from gateway.extraction import Outcome
from gateway.files import write_json
from gateway.home import find_home

Signals = dict[str, int]
WINDOW = 50
ALPHAS = (0.05, 0.001)


@dataclass(frozen=True)
class Seen:
    """What was seen of documents: the signals of those that no filter keeps out, and what became of all."""

    signals: list[Signals]
    accepted: dict[str, Any]


def observe(session: Session, documents: list[LabelledDocument], vocabulary: Vocabulary) -> Seen:
    """Answer documents with the whole cascade."""
    signals: list[Signals] = []
    outcomes: list[Outcome] = []
    for document in tqdm(documents, unit=" documents", mininterval=10):
        outcome = session.extract(Request(as_document(document)))
        outcomes.append(outcome)
        if outcome.filtered is None:
            signals.append(signals_of(document.text, outcome.extraction, vocabulary))
    return Seen(signals, accepted(outcomes))


def accepted(outcomes: list[Outcome]) -> dict[str, Any]:
    """How much was accepted with a guarantee; a filtered document has nothing accepted, and is counted beside."""
    kept = [outcome.extraction.fields for outcome in outcomes if outcome.filtered is None]
    under = [{name: _promised(result) for name, result in fields.items()} for fields in kept]
    names = list(under[0]) if under else []
    values = [{name: _promised(result) and result.present for name, result in fields.items()} for fields in kept]
    pairs = max(1, len(names) * len(outcomes))
    return {
        "documents": len(outcomes),
        "filtered": len(outcomes) - len(kept),
        "documents_with_any": sum(any(found.values()) for found in under),
        "documents_with_all": sum(all(found.values()) for found in under),
        "fields_share": round(sum(sum(found.values()) for found in under) / pairs, 4),
        "values_share": round(sum(sum(found.values()) for found in values) / pairs, 4),
        "by_field": {name: sum(found[name] for found in under) for name in names},
    }


def _promised(result: FieldResult) -> bool:
    return result.state == "accepted" and isinstance(result.guarantee, float)


def counted(documents: list[Signals]) -> dict[str, dict[int, int]]:
    counts: dict[str, dict[int, int]] = {name: {} for name in SIGNALS}
    for signals in documents:
        for name, score in signals.items():
            counts[name][score] = counts[name].get(score, 0) + 1
    return counts


def noticed_after(
    reference: list[Signals], traffic: list[Signals], source: random.Random
) -> tuple[dict[float, int | None], str]:
    """Documents until noticed for each alpha, and the signal with the most evidence at the end."""
    shift = Shift.start(Reference("receipts", len(reference), counted(reference), Vocabulary()))
    found: dict[float, int | None] = dict.fromkeys(ALPHAS)
    for number, signals in enumerate(traffic, 1):
        shift = shift.step(signals, source)
        for alpha in ALPHAS:
            if found[alpha] is None and shift.raised(Alarm(alpha)):
                found[alpha] = number
    return found, shift.leading


def windows(reference: list[Signals], traffic: list[Signals]) -> int | None:
    """The peer: documents until a window differs from the reference in any signal (Kolmogorov-Smirnov, 5 % each)."""
    for end in range(WINDOW, len(traffic) + 1):
        part = traffic[end - WINDOW : end]
        for name in SIGNALS:
            first, second = ([signals[name] for signals in some] for some in (reference, part))
            points = sorted({*first, *second})
            distance = max(
                abs(sum(x <= point for x in first) / len(first) - sum(x <= point for x in second) / len(second))
                for point in points
            )
            if distance > 1.358 * math.sqrt((len(first) + len(second)) / (len(first) * len(second))):
                return end
    return None


def summary(delays: list[int | None]) -> dict[str, Any]:
    known = sorted(delay for delay in delays if delay is not None)
    result: dict[str, Any] = {"runs": len(delays), "noticed_share": round(len(known) / len(delays), 4)}
    if known:
        result["median_documents_when_noticed"] = statistics.median(known)
        result["p90_documents_when_noticed"] = known[math.ceil(0.9 * len(known)) - 1]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory with train.jsonl and unlabelled.jsonl")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--foreign", type=int, default=200, help="foreign receipts that are looked at")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    source = random.Random(arguments.seed)
    home = find_home()
    documents = read_dataset(arguments.data / "train.jsonl")
    split = Split.load(home.models / "receipts" / "split.json")
    foreign = read_dataset(arguments.data / "unlabelled.jsonl")
    vocabulary = Vocabulary.of(document.text for document in split.select(documents, "train"))
    with open_session(home, "receipts") as session:
        problems = list(session.task.problems)
        qualities = session.task.spec.qualities()
        calibration = observe(session, split.select(documents, "calibration"), vocabulary)
        seen = observe(session, split.select(documents, "validation-seen"), vocabulary)
        unseen = observe(session, split.select(documents, "validation-unseen"), vocabulary)
        abroad = observe(session, source.sample(foreign, arguments.foreign), vocabulary)

    traffic = {"reshuffled": seen, "seen": seen, "unseen": unseen, "foreign": abroad}
    results: dict[str, Any] = {}
    for name, later in traffic.items():
        delays: dict[float, list[int | None]] = {alpha: [] for alpha in ALPHAS}
        peers: list[int | None] = []
        leaders: dict[str, int] = {}
        for run in range(arguments.runs):
            reference, order = calibration.signals, source.sample(later.signals, len(later.signals))
            if name == "reshuffled":
                both = [*calibration.signals, *seen.signals]
                pooled = source.sample(both, len(both))
                reference, order = pooled[: len(calibration.signals)], pooled[len(calibration.signals) :]
            found, leading = noticed_after(reference, order, source)
            for alpha in ALPHAS:
                delays[alpha].append(found[alpha])
            leaders[leading] = leaders.get(leading, 0) + 1
            if run < 100:
                peers.append(windows(reference, order))
        results[name] = {
            "documents": len(later.signals),
            **{f"alpha {alpha:g}": summary(delays[alpha]) for alpha in ALPHAS},
            "leading_signal": dict(sorted(leaders.items(), key=lambda item: -item[1])),
            "peer: windows of 50, Kolmogorov-Smirnov at 5 %": summary(peers),
        }
        print(name, results[name])
    write_json(
        arguments.out,
        {
            "command": shlex.join(["python", *sys.argv]),
            "seed": arguments.seed,
            "hardware": hardware(),
            "task_problems": problems,
            "signals": list(SIGNALS),
            "reference_documents": len(calibration.signals),
            "qualities": qualities,
            "accepted_with_guarantee": {
                "calibration": calibration.accepted,
                "seen": seen.accepted,
                "unseen": unseen.accepted,
                "foreign": abroad.accepted,
            },
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
