"""Pruning a labelled set: students that learn from what each score keeps, beside random choice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.data.select.recipe import Selection
from training.experiments.jobs import Experiment, Job, Options, Pace, Summary, by_seed, plain_job, tokens_of
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.running import Bench, Figures, Setting
from training.experiments.scoring import ENSEMBLE, scored
from training.experiments.statistics import paired
from training.experiments.tables import by_variant, compared, interval, markdown, mean_of, points

FULL, RANDOM, STRATIFIED = "everything", "random", "random, stratified"
FAMILY, EPOCHS, SEEDS = "narrow-2x96", 8, 3
#: Pruned sets are trained on for more epochs, up to this many times as many, so that they get as many updates.
MOST_STRETCH = 2.0
KEEPS, MORE_KEEPS = (0.5,), (0.2, 0.3, 0.5, 0.7)
#: What is shown, the score it goes by, and which end is kept.
METHODS: dict[str, Selection] = {
    "el2n, hard": Selection("el2n", 1.0, "high"),
    "forgetting": Selection("forgetting", 1.0, "high"),
    "dispersion": Selection("dispersion", 1.0, "high"),
    "disagreement": Selection("disagreement", 1.0, "high"),
    "margin, near": Selection("margin", 1.0, "low"),
    "prototypes, far": Selection("prototypes", 1.0, "high"),
    "prototypes, near": Selection("prototypes", 1.0, "low"),
    "labelled prototypes, far": Selection("labelled prototypes", 1.0, "high"),
    "combined": Selection("combined", 1.0, "high"),
    "duplicates removed": Selection("duplicate", 1.0, "low"),
}


def choose(material: Material, bench: Bench, method: str, keep: float, setting: Setting) -> tuple[list[int], float]:
    """The documents a method keeps, and the CPU seconds of its scores."""
    if method in (RANDOM, STRATIFIED):
        chosen = Selection("random", keep, "high", stratified=method == STRATIFIED, seed=setting.seed)
        return chosen.indices(None, material.present), 0.0
    plan = METHODS[method]
    found = scored(bench, setting)
    if plan.score not in found.scores:
        # No combination of fields is frequent enough to be a class.
        return choose(material, bench, STRATIFIED, keep, setting)
    selection = Selection(plan.score, keep, plan.prefer, seed=setting.seed)
    return selection.indices(found.scores[plan.score], material.present), found.seconds[plan.score]


def stretched(epochs: int, keep: float) -> int:
    """Epochs over a part of the data."""
    return round(epochs * min(MOST_STRETCH, 1 / keep))


def jobs(material: Material, options: Options) -> list[Job]:
    """Everything, and each method with each share. ``--full``: 20, 30, 50 and 70 %; otherwise 50 %."""
    found, keeps = [], MORE_KEEPS if options.full else KEEPS
    for seed in options.range(SEEDS):
        setting = options.setting(FAMILY, EPOCHS, seed)
        found.append(plain_job(material, FULL, setting))
        for keep in keeps:
            for method in (RANDOM, STRATIFIED, *METHODS):
                found.append(
                    _job(material, method, keep, setting, first=method == next(iter(METHODS)) and keep == keeps[0])
                )
    return by_seed(found)


def _job(material: Material, method: str, keep: float, setting: Setting, *, first: bool) -> Job:
    epochs = stretched(setting.epochs, keep)

    def seconds(pace: Pace) -> float:
        tokens = tokens_of(material, setting.family)
        training = keep * epochs * tokens * pace.training(setting.family)
        asking = tokens * pace.forward(setting.family)
        # The first to need scores makes them for all.
        scores = ENSEMBLE * setting.epochs * tokens * pace.training(setting.family)
        return training + pace.judging(setting.family) + (scores + 3 * (setting.epochs + 12) * asking if first else 0.0)

    def work(bench: Bench) -> Figures:
        chosen, spent = choose(material, bench, method, keep, setting)
        figures = bench.run(Setting(**{**vars(setting), "epochs": epochs}), chosen)
        return {**figures, "scoring_cpu_seconds": round(spent, 2)}

    settings = {**setting.describe(), "epochs": epochs, "keep": keep, "method": method, "data": material.data_digest}
    return Job(f"{method}, {keep:.0%}", setting.seed, settings, seconds, work)


def summarise(rows: Sequence[Row]) -> Summary:
    """Each choice beside everything and beside both random ones of its share."""
    values = by_variant(rows, "f1")
    against = compared(rows, FULL)
    full_cpu = mean_of(rows, FULL, "cpu_seconds")
    for variant, found in against.items():
        share = variant.rpartition(", ")[2]
        for name in (RANDOM, STRATIFIED):
            difference = paired(values.get(variant, {}), values.get(f"{name}, {share}", {}))
            if difference is not None and variant not in (FULL, f"{name}, {share}"):
                found[f"beside_{name}"] = {**difference.as_json(), "above": difference.above}
        spent, trained = mean_of(rows, variant, "scoring_cpu_seconds"), mean_of(rows, variant, "cpu_seconds")
        if full_cpu and spent is not None and trained is not None:
            found["cpu_with_scoring_ratio"] = round((spent + trained) / full_cpu, 3)
    return {"reference": FULL, "variants": against}


def table(summary: Summary) -> str:
    """One line a choice."""
    rows = []
    for variant, found in summary["variants"].items():
        ratio = found.get("cpu_with_scoring_ratio")
        rows.append(
            [
                variant,
                points(found.get("f1")),
                interval(found.get("f1_difference")),
                interval(found.get(f"beside_{RANDOM}")),
                interval(found.get(f"beside_{STRATIFIED}")),
                "" if ratio is None else f"{ratio:.2f} ×",
            ]
        )
    header = ["kept", "F1", "beside everything", "beside random", "beside stratified", "CPU time with scoring"]
    return markdown(header, rows)


PRUNING = Experiment(
    "pruning",
    "learning from 20 to 70 % of a labelled set, chosen by each score",
    jobs,
    summarise,
    table,
    Path("training/data/select/CARD.md"),
)
