"""From rows to verdicts, and what may not stand beside each other."""

import numpy as np
import pytest

from gateway.errors import DatasetError
from training.experiments import batch, cards, labelling, pruning
from training.experiments.counting import f1_of_counts, packed_counts
from training.experiments.ledger import COLUMNS
from training.experiments.tables import compared, equal, runs


def row(variant, seed, f1=None, **more):
    known = {"variant": variant, "seed": str(seed), "outcome": "diverged" if f1 is None else "done", "task": "t"}
    if f1 is not None:
        known["f1"] = str(f1)
    return {**dict.fromkeys(COLUMNS, ""), **known, "experiment": "batch", **more}


def judged(variant, seed, wrong, documents=4000):
    """A run whose answers are wrong for these documents."""
    counts = np.tile([1, 0, 0], (documents, 1))
    counts[wrong] = [0, 1, 1]
    return row(variant, seed, f1_of_counts(counts), counts=packed_counts(counts))


def test_equal_on_these_documents_is_less_than_equal():
    """Every seed is wrong in the same other documents: seeds agree, other documents might not."""
    rows = [judged("base", seed, range(0, 400)) for seed in range(4)]
    rows += [judged("same", seed, range(400, 800)) for seed in range(4)]
    rows += [judged("equal", seed, range(1, 401)) for seed in range(4)]
    found = compared(rows, "base")
    assert found["same"]["f1_difference"]["mean"] == 0
    assert (equal(found["same"]), equal(found["equal"])) == ("on these documents", "yes")
    assert found["equal"]["lost_at_most"]["0.3"]
    assert not found["same"]["lost_at_most"]["0.3"]


def test_one_seed_shows_nothing():
    found = compared([judged("base", 0, range(3)), judged("same", 0, range(3))], "base")["same"]
    assert found["f1_difference"]["low"] == 0
    assert not found["equal_within_0.3"]
    assert not any(found["lost_at_most"].values())


def test_a_seed_that_diverged_is_counted_and_takes_the_interval_away():
    rows = [row("base", seed, 90.0 + seed / 100) for seed in range(5)]
    rows += [row("wild", seed, 90.0 + seed / 100, undone="2") for seed in range(4)] + [row("wild", 4)]
    rows += [row("tame", seed, 90.0 + seed / 100) for seed in range(5)]
    found = compared(rows, "base")
    assert found["wild"]["diverged"] == 1
    assert not found["wild"]["equal_within_0.3"]
    assert found["wild"]["f1_difference"]["low"] is None
    assert runs(found["wild"]) == "5 (1 diverged, 8 epochs undone)"
    assert found["tame"]["equal_within_0.3"]
    assert runs(found["tame"]) == "5"


def test_rows_of_other_conditions_are_refused_or_left_out():
    old = [row("a", seed, 80.0, context="x", digest="1", finished="2026-01-01") for seed in range(2)]
    new = [row("a", seed, 90.0, context="y", digest="2", finished="2026-01-02") for seed in range(2)]
    with pytest.raises(DatasetError, match="different settings, data or code"):
        cards.of_one_kind([*old, *new], newest=False)
    assert cards.of_one_kind([*new, *old], newest=True) == new
    changed = [row("a", 1, 91.0, context="y", digest="3", finished="2026-01-03")]
    with pytest.raises(DatasetError, match="batch on t a"):
        cards.of_one_kind([*new, *changed], newest=False)
    assert cards.of_one_kind([*new, *changed], newest=True) == changed
    assert cards.of_one_kind(new, newest=False) == new


def test_a_rate_is_tuned_on_seeds_that_are_not_judged(monkeypatch):
    monkeypatch.setattr(batch, "RATES", (1.0, 0.5))
    rows = [row(batch.tuning_name("v", 1.0), seed, 80.0) for seed in batch.TUNING_SEEDS]
    assert batch.tuned(rows, "v") is None
    rows += [row(batch.tuning_name("v", 0.5), seed, 81.0) for seed in batch.TUNING_SEEDS]
    assert batch.tuned(rows, "v") == 0.5
    # A rate at which a seed diverged comes last.
    rows[-1] = row(batch.tuning_name("v", 0.5), batch.TUNING_SEEDS[-1])
    assert batch.tuned(rows, "v") == 1.0


def test_the_ramp_makes_a_third_of_the_updates_at_most():
    from training.methods.batch_ramp.plan import BatchPlan
    from training.methods.batch_ramp.schedule import parse_schedule

    for variant, lines in batch.VARIANTS.items():
        if variant != batch.SMALL:
            schedule = parse_schedule(lines[0].removeprefix("batch_ramp ").partition(";")[0])
            plan = BatchPlan((120,) * 16, lambda share, schedule=schedule: schedule.size(share, 16))
            assert plan.total / len(list(plan)) >= 3


def test_pruning_is_compared_at_equal_share_updates_and_computing():
    rows = [
        row(name, seed, 80.0 + seed)
        for seed in range(3)
        for name in (
            "everything",
            "random, 50%",
            "random, stratified, 50%",
            "combined, 50%",
            "everything, 50% of the epochs",
            "random, stratified, 50%, matched updates",
            "combined, 50%, matched updates",
        )
    ]
    summary = pruning.summarise(rows)
    found = summary["variants"]
    assert {"beside_random", "beside_random, stratified", "beside_equal_compute"} <= set(found["combined, 50%"])
    assert "beside_random, stratified" in found["combined, 50%, matched updates"]
    assert "beside_equal_compute" not in found["combined, 50%, matched updates"]
    assert summary["primary"]["pairs"] == 3


def test_the_noise_scale_says_when_it_is_not_settled():
    known = {"noise_scale": 900.0, "suggested_batches": 20.0}
    assert "not settled" in batch.noise({**known, "noise_updates": 120.0})
    assert "not settled" not in batch.noise({**known, "noise_updates": 400.0})


def test_enough_labels_are_judged_by_an_interval():
    """99 % of everything is reached when the interval of what is left over lies above 0."""
    rows = [judged("everything", seed, range(0, 200)) for seed in range(3)]
    for name, wrong in (("random", 260), ("uncertainty", 205)):
        for seed in range(3):
            curve = [[0.1, 80.0], [0.3, 90.0]]
            rows.append({**judged(name, seed, range(0, wrong)), "curve": str(curve)})
    found = labelling.summarise(rows)["variants"]
    assert found["uncertainty"]["beside_enough"]["reached"]
    assert not found["random"]["beside_enough"]["reached"]
    assert found["uncertainty"]["last_beside_random"]["above"]
    assert "shown" in labelling.table(labelling.summarise(rows))
