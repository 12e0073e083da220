"""How soon a rise of errors among accepted answers is noticed by audits, and how often falsely.

    python benchmarks/drift.py --out benchmarks/results/drift.json --csv benchmarks/results/drift.csv

One field of a task of four is promised to be right in 95 of 100 accepted answers. 3 % are wrong for a long time; then
the share jumps. A share of the answers is audited. Delays are counted from the jump, in answers and in audits. The test
is that of the one field, with its share of what the settings allow for the whole task.

Systems, all on the same simulated audits:

* for-ever: the service's first alarm, 5 % for the task (CASCADE_AUDIT_ALPHA);
* run-length: its second, 100,000 audits for the task (CASCADE_AUDIT_RUN_LENGTH);
* service: either of the two, as the service does;
* window: the peer of most dashboards: more than 5 % wrong in the last 100 audits;
* cusum: a plain CUSUM, S = max(0, S + x − k), alarm at 3, with k half-way between the usual rate and the limit:
  both set by hand.

With the judge `large`, an audit sees disagreement instead of errors: the large tier disagrees with 3 % of the right and
85 % of the wrong answers, its limit is computed as the service does from 125 documents on which it did just that, for
one guarantee level.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.audit import promise
from gateway.audit.agreement import Agreement, allowed_disagreement
from gateway.audit.evidence import advance, log_entry_share, log_mean
from gateway.audit.terms import Terms
from gateway.evaluation.provenance import hardware
from gateway.files import write_json, write_text

LIMIT, BASE = 0.05, 0.03
#: What the service makes of its default settings for each test of a task of so many fields.
FIELDS = 4
TERMS = Terms()
ALARM = TERMS.promise_alarm(FIELDS)
LIMIT_ALPHA = TERMS.limit_alpha(FIELDS)
WINDOW, CUSUM_LIMIT = 100, 3.0
HISTORY, HORIZON = 20_000, 60_000
SYSTEMS = ("for-ever", "run-length", "service", "window", "cusum")
DRIFTS, SHARES = (0.06, 0.10, 0.20), (0.01, 0.05, 0.10, 1.0)
RIGHT_DISAGREED, WRONG_DISAGREED = 0.03, 0.85
#: Of 125 labelled documents, 119 accepted answers right and 6 wrong.
CALIBRATED = Agreement(119, 4, 6, 5)
Steps = NDArray[np.int64]


class Watchers:
    """All systems on ``runs`` runs at once; ``first`` holds the audit at which each first raised an alarm."""

    def __init__(self, runs: int, limit: float, cusum_reference: float) -> None:
        shape = (runs, len(promise.ODDS_RATIOS))
        self._limit, self._reference = limit, cusum_reference
        self._wrong, self._right = promise.log_bets(1.0, limit), promise.log_bets(0.0, limit)
        self._for_ever = np.full(shape, -np.inf)
        self._run_length = np.full(shape, -np.inf)
        self._window = np.zeros((runs, WINDOW))
        self._cusum = np.zeros(runs)
        self.step = 0
        self.first: dict[str, Steps] = {system: np.zeros(runs, dtype=np.int64) for system in SYSTEMS}

    def observe(self, wrong: NDArray[np.bool_]) -> None:
        """One audit in each run."""
        self.step += 1
        factors = np.where(wrong[:, None], self._wrong, self._right)
        self._for_ever = advance(self._for_ever, factors, log_entry_share(self.step))
        self._run_length = advance(self._run_length, factors, 0.0)
        self._window[:, self.step % WINDOW] = wrong
        self._cusum = np.maximum(0.0, self._cusum + wrong - self._reference)
        sure = log_mean(self._for_ever) >= -math.log(ALARM.alpha)
        long = log_mean(self._run_length) >= math.log(ALARM.run_length)
        full = self.step >= WINDOW
        raised = {
            "for-ever": sure,
            "run-length": long,
            "service": sure | long,
            "window": (self._window.mean(axis=1) > self._limit + 1e-12) & full,
            "cusum": self._cusum >= CUSUM_LIMIT,
        }
        for system, alarms in raised.items():
            self.first[system][alarms & (self.first[system] == 0)] = self.step

    @property
    def done(self) -> bool:
        """Whether every system has raised an alarm in every run."""
        return all(bool(np.all(first > 0)) for first in self.first.values())


def observed_rate(error: float, judge: str) -> float:
    """The chance that an audit of an accepted answer comes out "wrong"."""
    return error if judge == "person" else RIGHT_DISAGREED * (1 - error) + WRONG_DISAGREED * error


def limit_of(judge: str) -> float:
    return LIMIT if judge == "person" else allowed_disagreement(CALIBRATED, LIMIT, LIMIT_ALPHA)


def watchers(runs: int, judge: str) -> Watchers:
    # The CUSUM's reference value lies between the usual rate and the one that must not be, as textbooks say.
    middle = (observed_rate(BASE, judge) + observed_rate(LIMIT, judge)) / 2
    return Watchers(runs, limit_of(judge), middle)


def delay(drift: float, share: float, judge: str, runs: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """From a jump to the alarm; runs that had raised a false alarm before are left out of the delays."""
    watch = watchers(runs, judge)
    before, after = round(HISTORY * share), round(HORIZON * share)
    for _ in range(before):
        watch.observe(random.random(runs) < observed_rate(BASE, judge))
    early = {system: first > 0 for system, first in watch.first.items()}
    for _ in range(after):
        watch.observe(random.random(runs) < observed_rate(drift, judge))
        if watch.done:
            break
    rows = []
    for system, first in watch.first.items():
        kept = first[~early[system]]
        audits = np.where(kept > 0, kept - before, np.inf)
        known = audits[np.isfinite(audits)].astype(np.int64)
        # Between two audits lie as many answers as it takes to draw one.
        answers = np.full(len(audits), np.inf)
        answers[np.isfinite(audits)] = known + (random.negative_binomial(known, share) if share < 1 else 0)
        rows.append(
            {
                **{"judge": judge, "drift": drift, "audited": share, "system": system, "runs": len(kept)},
                "false_before": round(float(np.mean(early[system])), 4),
                "noticed": round(float(np.mean(np.isfinite(audits))), 4) if len(kept) else None,
                **{
                    f"{name}_{unit}": _quantile(values, part)
                    for unit, values in (("audits", audits), ("answers", answers))
                    for name, part in (("median", 0.5), ("p90", 0.9))
                },
            }
        )
    return rows


def _quantile(values: NDArray[np.float64], part: float) -> int | None:
    """The smallest delay that the given part of the runs did not exceed; ``None``: they had not noticed by the end."""
    if not len(values):
        return None
    found = float(np.sort(values)[math.ceil(part * len(values)) - 1])
    return int(found) if math.isfinite(found) else None


def false_alarms(error: float, judge: str, audits: int, runs: int, random: np.random.Generator) -> dict[str, Any]:
    """Share of runs with an alarm within a number of audits, while the promise is kept."""
    watch = watchers(runs, judge)
    for _ in range(audits):
        watch.observe(random.random(runs) < observed_rate(error, judge))
    shares = {system: round(float(np.mean(first > 0)), 4) for system, first in watch.first.items()}
    return {"judge": judge, "error": error, "audits": audits, "runs": runs, "false_alarms": shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    rows: list[dict[str, Any]] = []
    for judge in ("person", "large"):
        for drift in DRIFTS:
            for share in SHARES:
                runs = arguments.runs if share < 1 else arguments.runs // 2
                rows += delay(drift, share, judge, runs, random)
                print(rows[-3])
    false = [
        false_alarms(error, judge, 10_000, 2 * arguments.runs, random)
        for judge in ("person", "large")
        for error in (BASE, LIMIT)
    ]
    for row in false:
        print(row)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    command = shlex.join(["python", *sys.argv])
    write_text(arguments.csv, f"# {command}\n{table.getvalue()}")
    write_json(
        arguments.out,
        {
            "command": command,
            "seed": arguments.seed,
            "hardware": hardware(),
            "numpy": np.__version__,
            "alarm": {
                "fields": FIELDS,
                "task": {"alpha": TERMS.alarm.alpha, "run_length": TERMS.alarm.run_length},
                "test": {"alpha": ALARM.alpha, "run_length": ALARM.run_length},
                "limit_alpha": LIMIT_ALPHA,
            },
            "promise": {"limit": LIMIT, "usual_error": BASE, "limit_of_large": round(limit_of("large"), 4)},
            "history_answers": HISTORY,
            "horizon_answers": HORIZON,
            "delays": rows,
            "false_alarms": false,
        },
    )


if __name__ == "__main__":
    main()
