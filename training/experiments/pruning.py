"""Pruning a labelled set: students that learn from what each score keeps, beside random choice and everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.data.select.recipe import Selection
from training.experiments.jobs import Experiment, Job, Options, Pace, Skipped, Summary, by_seed, plain_job, tokens_of
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.plateau import EPOCHS, FAMILY
from training.experiments.running import Bench, Figures, Setting
from training.experiments.scoring import ENSEMBLE, quantiles, scored
from training.experiments.tables import compared, difference, interval, markdown, mean_of, points, runs

FULL, RANDOM, STRATIFIED = "everything", "random", "random, stratified"
SEEDS = 3
#: The share at which all methods are compared, and those at which some are.
HALF, OTHERS = 0.5, (0.2, 0.3, 0.7)
DUPLICATES = "duplicates removed"
#: What is shown, the score it goes by, and which end is kept.
METHODS: dict[str, Selection] = {
    "el2n, hard": Selection("el2n", 1.0, "high"),
    "combined": Selection("combined", 1.0, "high"),
    "prototypes, far": Selection("prototypes", 1.0, "high"),
    "prototypes, near": Selection("prototypes", 1.0, "low"),
    "forgetting": Selection("forgetting", 1.0, "high"),
    "dispersion": Selection("dispersion", 1.0, "high"),
    "disagreement": Selection("disagreement", 1.0, "high"),
    "margin, near": Selection("margin", 1.0, "low"),
    "labelled prototypes, far": Selection("labelled prototypes", 1.0, "high"),
}
#: Those compared at every share, and those that also get as many updates as everything gets.
EVERYWHERE = (RANDOM, STRATIFIED, "el2n, hard", "combined", "prototypes, far", "prototypes, near")
MATCHED = (STRATIFIED, "el2n, hard", "combined")
MATCHED_NAME = ", matched updates"
#: The one comparison that was named before anything was measured; all others say where to look, and prove nothing.
PRIMARY = (f"combined, {HALF:.0%}", f"{STRATIFIED}, {HALF:.0%}")


def choose(
    material: Material, bench: Bench, method: str, keep: float, setting: Setting
) -> tuple[list[int], float, str]:
    """The documents a method keeps, the CPU seconds of its scores, and a note about them.

    Raises:
        Skipped: the score cannot be had on this material.
    """
    if method in (RANDOM, STRATIFIED):
        chosen = Selection("random", keep, "high", stratified=method == STRATIFIED, seed=setting.seed)
        return chosen.indices(None, material.present), 0.0, ""
    found = scored(bench, setting)
    if method == DUPLICATES:
        kept = [int(index) for index in np.flatnonzero(found.scores["duplicate"] == 0)]
        note = f"{len(material.train) - len(kept)} of {len(material.train)} removed"
        return kept, found.seconds["duplicate"], note
    plan = METHODS[method]
    if plan.score not in found.scores:
        raise Skipped(f"no scores {plan.score}: no combination of fields is frequent enough to be a class")
    selection = Selection(plan.score, keep, plan.prefer, seed=setting.seed)
    scores = found.scores[plan.score]
    return selection.indices(scores, material.present), found.seconds[plan.score], quantiles(scores)


def fewer_epochs(keep: float) -> str:
    """The control that spends on everything what a share gets."""
    return f"{FULL}, {keep:.0%} of the epochs"


def jobs(material: Material, options: Options) -> list[Job]:
    """Everything; each method at half of the data, some at other shares, for the same epochs and so for less computing;
    everything for that computing; and some at half of the data for as many updates as everything gets. ``--full``: all
    methods at all shares."""
    found = []
    for seed in options.range(SEEDS):
        setting = options.setting(FAMILY, EPOCHS, seed)
        found.append(plain_job(material, FULL, setting))
        for keep in (HALF, *OTHERS):
            short = replace(setting, epochs=max(1, round(keep * setting.epochs)))
            found.append(plain_job(material, fewer_epochs(keep), short))
            named = (RANDOM, STRATIFIED, *METHODS) if keep == HALF or options.full else EVERYWHERE
            for method in named:
                found.append(_job(material, method, keep, setting, f"{method}, {keep:.0%}"))
        longer = replace(setting, epochs=round(setting.epochs / HALF))
        for method in MATCHED:
            name = f"{method}, {HALF:.0%}{MATCHED_NAME}"
            found.append(_job(material, method, HALF, setting, name, trained=longer))
        found.append(_job(material, DUPLICATES, 1.0, setting, DUPLICATES))
    return by_seed(found)


def _job(
    material: Material, method: str, keep: float, setting: Setting, name: str, *, trained: Setting | None = None
) -> Job:
    """Train on what a method keeps; ``trained``: how, where it is not as the students that give scores."""
    trained = trained or setting
    # The first that needs scores makes them for all.
    first = name == f"{next(iter(METHODS))}, {HALF:.0%}"

    def seconds(pace: Pace) -> float:
        tokens = tokens_of(material, setting.family)
        epoch = tokens * pace.training(setting.family, setting.token_budget)
        asking = tokens * pace.forward(setting.family)
        scores = ENSEMBLE * setting.epochs * epoch + (setting.epochs + 30) * asking if first else 0.0
        return keep * trained.epochs * epoch + pace.judging(setting.family) + scores

    def work(bench: Bench) -> Figures:
        chosen, spent, note = choose(material, bench, method, keep, setting)
        return {**bench.run(trained, chosen), "scoring_cpu_seconds": round(spent, 2), "note": note}

    settings = {**trained.describe(), "keep": keep, "method": method, "scored": setting.describe()["exact"]}
    return Job(name, setting.seed, settings, seconds, work)


def summarise(rows: Sequence[Row]) -> Summary:
    """Each choice beside everything, beside both random ones of its share, and beside everything for its computing."""
    against = compared(rows, FULL)
    full_cpu = mean_of(rows, FULL, "cpu_seconds")
    for variant, found in against.items():
        for name, reference in _references(variant).items():
            if reference != variant and (apart := difference(rows, variant, reference)) is not None:
                found[name] = apart
        spent, trained = mean_of(rows, variant, "scoring_cpu_seconds"), mean_of(rows, variant, "cpu_seconds")
        if full_cpu and trained is not None:
            found["cpu_with_scoring_ratio"] = round(((spent or 0.0) + trained) / full_cpu, 3)
    return {"reference": FULL, "variants": against, "primary": difference(rows, *PRIMARY)}


def _references(variant: str) -> dict[str, str]:
    """What a choice is compared with beside everything: choices of the same share and number of updates."""
    matched = MATCHED_NAME if variant.endswith(MATCHED_NAME) else ""
    share = variant.removesuffix(MATCHED_NAME).rpartition(", ")[2]
    if not share.endswith("%"):
        return {}
    references = {f"beside_{name}": f"{name}, {share}{matched}" for name in (RANDOM, STRATIFIED)}
    return references if matched else {**references, "beside_equal_compute": f"{FULL}, {share} of the epochs"}


def table(summary: Summary) -> str:
    """One line a choice, and the comparison named beforehand."""
    rows = [[variant, *_cells(found)] for variant, found in summary["variants"].items()]
    header = [
        "kept",
        "runs",
        "F1",
        "beside everything",
        "beside random",
        "beside stratified",
        "beside everything for the same computing",
        "CPU time with scoring",
    ]
    primary = interval(summary["primary"]) or "not measured"
    notes = [
        f"{variant}: {'; '.join(found['notes'])}"
        for variant, found in summary["variants"].items()
        if found.get("notes") and (variant.startswith("el2n, hard, 50") or not found.get("f1") or variant == DUPLICATES)
    ]
    text = (
        f"{markdown(header, rows)}\n\nNamed beforehand, {PRIMARY[0]} beside {PRIMARY[1]}: {primary}. All other"
        " differences are exploratory: among so many some intervals miss 0 by chance."
    )
    return text + (f" Notes: {'. '.join(notes)}." if notes else "")


def _cells(found: dict[str, Any]) -> list[str]:
    ratio = found.get("cpu_with_scoring_ratio")
    return [
        runs(found),
        points(found.get("f1")),
        interval(found.get("f1_difference")),
        interval(found.get(f"beside_{RANDOM}")),
        interval(found.get(f"beside_{STRATIFIED}")),
        interval(found.get("beside_equal_compute")),
        "" if ratio is None else f"{ratio:.2f} ×",
    ]


PRUNING = Experiment(
    "pruning",
    "learning from 20 to 70 % of a labelled set, chosen by each score",
    jobs,
    summarise,
    table,
    Path("training/data/select/CARD.md"),
)
