"""Where the learning curve flattens: students for 8, 16 and 32 epochs, before any method is compared on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.experiments.jobs import Experiment, Job, Options, Summary, plain_job
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.plateau import FAMILY, GAIN, LARGER_FAMILY
from training.experiments.tables import by_variant, markdown, mean_of, points, signed

#: Families that other experiments train, the cheaper first, and epochs, each twice those before.
FAMILIES, EPOCHS = (FAMILY, LARGER_FAMILY), (8, 16, 32)


def name_of(family: str, epochs: int) -> str:
    """A variant's name."""
    return f"{family}, {epochs} epochs"


def jobs(material: Material, options: Options) -> list[Job]:
    """Each family with each number of epochs, one seed; ``--full``: three seeds. Family and epochs are what is asked
    about, so that options do not replace them."""
    options = replace(options, family=None, epochs=None)
    return [
        plain_job(material, name_of(family, epochs), options.setting(family, epochs, seed))
        for seed in options.range(3 if options.full else 1)
        for family in FAMILIES
        for epochs in EPOCHS
    ]


def summarise(rows: Sequence[Row]) -> Summary:
    """F1 of each setting, what twice the epochs bring, and the first setting from which that is little."""
    measured = {variant: sum(found.values()) / len(found) for variant, found in by_variant(rows, "f1").items()}
    settings, first = [], None
    for family in FAMILIES:
        for epochs in EPOCHS:
            own, twice = (measured.get(name_of(family, count)) for count in (epochs, 2 * epochs))
            if own is None:
                continue
            gain = None if twice is None else round(twice - own, 3)
            settings.append(
                {
                    "family": family,
                    "epochs": epochs,
                    "f1": round(own, 3),
                    "gain": gain,
                    "cpu_seconds": mean_of(rows, name_of(family, epochs), "cpu_seconds"),
                }
            )
            if first is None and gain is not None and gain < GAIN:
                first = (family, epochs)
    verdict = (
        f"no setting gains less than {GAIN:g} by twice its epochs"
        if first is None
        else f"{first[0]} for {first[1]} epochs is the first to gain less than {GAIN:g} by twice its epochs"
    )
    return {"settings": settings, "plateau": None if first is None else list(first), "verdict": verdict}


def table(summary: Summary) -> str:
    """One line a setting."""
    rows = [
        [
            item["family"],
            str(item["epochs"]),
            points(item["f1"]),
            "" if item["gain"] is None else signed(item["gain"]),
            "" if item["cpu_seconds"] is None else f"{item['cpu_seconds']:.0f} s",
        ]
        for item in summary["settings"]
    ]
    text = markdown(["student", "epochs", "F1", "by twice the epochs", "CPU time"], rows)
    return f"{text}\n\nThe plateau: {summary['verdict']}."


PILOT = Experiment(
    "pilot",
    "where the learning curve flattens",
    jobs,
    summarise,
    table,
    Path("docs/methods.md"),
)
