"""Choosing what to label next, simulated: labels of the training part are uncovered round by round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from training.data.select.active import Round, Simulation, labels_to_reach, simulate
from training.data.select.prototypes import prototypes
from training.data.select.scores import label_dispersion
from training.data.select.taggers import apart, uncertainty, whole_answers
from training.experiments.jobs import Experiment, Job, Options, Pace, Summary, by_seed, plain_job, tokens_of
from training.experiments.ledger import Row
from training.experiments.material import Material, View
from training.experiments.plateau import EPOCHS, FAMILY
from training.experiments.running import Bench, Figures, Setting
from training.experiments.scoring import embeddings
from training.experiments.statistics import crossed, paired
from training.experiments.tables import by_variant, counts_of, difference, interval, lost, markdown, points

FULL, RANDOM = "everything", "random"
SEEDS = 3
#: The first labels and those of each round, as shares of the training part, and the number of rounds: the last ends at
#: the share that is to be enough.
FIRST, EACH, ROUNDS, MORE_ROUNDS = 0.1, 0.1, 2, 5
#: Few labels are trained on for more epochs, up to this many times as many.
MOST_STRETCH = 3.0
#: The share of the full set's F1 that is to be reached.
ENOUGH = 0.99
ACQUISITIONS = (RANDOM, "uncertainty", "disagreement", "dispersion", "prototypes, far", "prototypes, near")
#: Epochs at whose ends dispersion asks: the last ones, in which a student that has settled changes its mind no more.
LOOKS = 5


@dataclass
class _Learner:
    """A round's model: the labels it knows, the networks that were trained, what that took, and what the first one
    said of every document in its last epochs, where somebody asked."""

    known: tuple[int, ...]
    networks: list[nn.Module]
    figures: list[Figures]
    history: list[NDArray[np.int64]]


@dataclass
class _First:
    """The round that all acquisitions of a seed begin with; kept, so that it is done once in a process."""

    learner: _Learner | None = None


class Labelling:
    """One simulation's world: how a round's students are trained, judged, and asked about the rest."""

    def __init__(self, bench: Bench, setting: Setting, acquisition: str, first: _First) -> None:
        self.bench, self.setting, self.acquisition, self.first = bench, setting, acquisition, first
        self.view: View = bench.material.view(setting.family)
        self.figures: list[Figures] = []
        self._distance: NDArray[np.float64] | None = None

    @property
    def world(self) -> Simulation[_Learner]:
        """For :func:`training.data.select.active.simulate`."""
        return Simulation(len(self.view.examples), self._train, self._evaluate, self._scores)

    def _train(self, known: Sequence[int], number: int) -> _Learner:
        if number == 0:
            if self.first.learner is None or self.first.learner.known != tuple(known):
                self.first.learner = _Learner(tuple(known), [], [], [])
                self._add(self.first.learner, number, looking=True)
            shared = self.first.learner
            learner = _Learner(
                shared.known, [*shared.networks], [dict(item) for item in shared.figures], shared.history
            )
        else:
            learner = _Learner(tuple(known), [], [], [])
            self._add(learner, number, looking=self.acquisition == "dispersion")
        if self.acquisition == "disagreement":
            self._add(learner, number, looking=False)
        self.figures += learner.figures
        return learner

    def _add(self, learner: _Learner, number: int, *, looking: bool) -> None:
        """Train one more network on what a learner knows."""
        epochs = stretched(self.setting.epochs, len(learner.known) / len(self.view.examples))
        hidden = sorted(set(range(len(self.view.examples))) - set(learner.known))

        def look(network: nn.Module, epoch: int) -> str:
            if epoch > epochs - LOOKS:
                said = np.zeros(len(self.view.examples), dtype=np.int64)
                said[hidden] = whole_answers(
                    self.bench.ask(network, self.view, [self.view.encodings[index] for index in hidden])
                )
                learner.history.append(said)
            return ""

        seed = self.setting.seed + 100 * number + 10_000 * len(learner.networks)
        setting = replace(self.setting, epochs=epochs, seed=seed)
        network, figures = self.bench.train(setting, learner.known, look if looking else None)
        learner.networks.append(network)
        learner.figures.append(figures)

    def _evaluate(self, learner: _Learner) -> float:
        quality = self.bench.evaluate(learner.networks[0], self.setting.family, known=learner.known)
        self.figures[-1].update(quality)
        return float(quality["f1"])

    def _scores(self, learner: _Learner, pool: Sequence[int], number: int) -> NDArray[np.float64]:
        if self.acquisition == RANDOM:
            return np.random.default_rng([self.setting.seed, number]).random(len(pool))
        if self.acquisition == "dispersion":
            return label_dispersion(learner.history)[list(pool)]
        if self.acquisition.startswith("prototypes"):
            if self._distance is None:
                vectors, _ = embeddings(self.bench.material)
                clusters = max(1, min(len(vectors), round(len(vectors) ** 0.5)))
                self._distance = prototypes(vectors, clusters, seed=self.setting.seed).distance
            return self._distance[list(pool)] * (-1 if self.acquisition.endswith("near") else 1)
        encodings = [self.view.encodings[index] for index in pool]
        models = [self.bench.ask(network, self.view, encodings) for network in learner.networks]
        return apart(models) if self.acquisition == "disagreement" else uncertainty(models[0])


def stretched(epochs: int, share: float) -> int:
    """Epochs over a share of the labels."""
    return round(epochs * min(MOST_STRETCH, 1 / share))


def jobs(material: Material, options: Options) -> list[Job]:
    """One simulation an acquisition and seed, all from the same first labels; and everything labelled. ``--full``: on
    until 60 % are."""
    rounds = MORE_ROUNDS if options.full else ROUNDS
    found = []
    for seed in options.range(SEEDS):
        setting = options.setting(FAMILY, EPOCHS, seed)
        found.append(plain_job(material, FULL, setting))
        first = _First()
        found += [_job(material, acquisition, setting, rounds, first) for acquisition in ACQUISITIONS]
    return by_seed(found)


def _job(material: Material, acquisition: str, setting: Setting, rounds: int, first: _First) -> Job:
    shares = [FIRST + number * EACH for number in range(rounds + 1)]

    def seconds(pace: Pace) -> float:
        tokens = tokens_of(material, setting.family)
        epochs = [share * stretched(setting.epochs, share) for share in shares]
        # The first acquisition makes the first round for all.
        paid = sum(epochs) if acquisition == ACQUISITIONS[0] else sum(epochs[1:])
        students = paid + sum(epochs) if acquisition == "disagreement" else paid
        looks = LOOKS * rounds if acquisition == "dispersion" else 2
        asking = tokens * pace.forward(setting.family)
        training = tokens * pace.training(setting.family, setting.token_budget)
        return students * training + looks * asking + len(shares) * pace.judging(setting.family)

    def work(bench: Bench) -> Figures:
        size = len(material.train)
        labelling = Labelling(bench, setting, acquisition, first)
        history = simulate(
            labelling.world,
            first=max(1, round(FIRST * size)),
            each=max(1, round(EACH * size)),
            rounds=rounds,
            seed=setting.seed,
        )
        return {**_totals(labelling.figures), "curve": curve(history, size)}

    settings = {**setting.describe(), "first": FIRST, "each": EACH, "rounds": rounds, "looks": LOOKS}
    return Job(acquisition, setting.seed, settings, seconds, work)


def curve(history: Sequence[Round], size: int) -> list[list[float]]:
    """Share of labels and F1 by round."""
    return [[round(item.labels / size, 4), item.quality] for item in history]


def _totals(figures: Sequence[Figures]) -> Figures:
    """What all rounds took, and how good the last one was."""
    summed = ("updates", "tokens", "flops", "wall_seconds", "cpu_seconds")
    return {
        **figures[-1],
        **{name: sum(item[name] for item in figures) for name in summed},
        "f1": next((item["f1"] for item in reversed(figures) if "f1" in item), None),
    }


def summarise(rows: Sequence[Row]) -> Summary:
    """By acquisition: F1 by share of labels beside random; how the last round's F1 lies beside 99 % of everything's;
    and the share that reaches that."""
    full = by_variant(rows, "f1").get(FULL, {})
    curves: dict[str, dict[int, list[list[float]]]] = {}
    for row in rows:
        if row["curve"]:
            curves.setdefault(row["variant"], {})[int(row["seed"])] = json.loads(row["curve"])
    counts = counts_of(rows)
    variants: dict[str, Any] = {}
    for variant, by_seed_ in curves.items():
        shares = [share for share, _ in next(iter(by_seed_.values()))]
        beside = crossed(counts.get(variant, {}), counts.get(FULL, {}), share=ENOUGH)
        if beside is not None and (lost(rows, variant) or lost(rows, FULL)):
            beside = beside.without_interval()
        variants[variant] = {
            "seeds": len(by_seed_),
            "diverged": lost(rows, variant),
            "rounds": [_round(variant, curves, share, place) for place, share in enumerate(shares)],
            "beside_enough": None if beside is None else {**beside.as_json(), "reached": beside.lost_at_most(0.0)},
            "last_beside_random": None if variant == RANDOM else difference(rows, variant, RANDOM),
            "reached": _reached(by_seed_, full),
        }
    mean = sum(full.values()) / len(full) if full else None
    return {"everything": mean, "variants": variants}


def _round(variant: str, curves: dict[str, dict[int, list[list[float]]]], share: float, place: int) -> dict[str, Any]:
    def at(name: str) -> dict[int, float]:
        return {seed: known[place][1] for seed, known in curves.get(name, {}).items() if place < len(known)}

    values = at(variant)
    difference = paired(values, at(RANDOM)) if variant != RANDOM else None
    return {
        "share": share,
        "f1": round(sum(values.values()) / len(values), 3),
        "beside_random": None if difference is None else difference.as_json(),
    }


def _reached(known: dict[int, list[list[float]]], full: dict[int, float]) -> list[float | None]:
    """For each seed the share of labels from which 99 % of its full F1 is reached for good; ``None``: never."""
    found = []
    for seed, rounds in sorted(known.items()):
        if seed in full:
            # Shares stand in for numbers of labels: the rule is the same.
            history = [Round(share, quality, ()) for share, quality in rounds]  # type: ignore[arg-type]
            share = labels_to_reach(history, ENOUGH * full[seed])
            found.append(None if share is None else round(share, 4))
    return found


def table(summary: Summary) -> str:
    """F1 by share of labels, the last round beside 99 % of everything, and the share that is enough."""
    variants = summary["variants"]
    shares = [item["share"] for item in next(iter(variants.values()))["rounds"]] if variants else []
    rows = []
    for variant, found in variants.items():
        cells = [f"{points(item['f1'])} {_bracketed(item['beside_random'])}".strip() for item in found["rounds"]]
        reached = ["never" if share is None else f"{share:.0%}" for share in found["reached"]]
        beside = found["beside_enough"]
        verdict = "" if beside is None else f"{interval(beside)}, {'shown' if beside['reached'] else 'not shown'}"
        last = interval(found["last_beside_random"])
        name = f"{variant} ({found['diverged']} diverged)" if found["diverged"] else variant
        rows.append([name, *cells, last, verdict, ", ".join(reached)])
    enough = f"{ENOUGH:.0%} of full F1"
    header = [
        "asks for",
        *(f"{share:.0%} labelled" for share in shares),
        "last round beside random",
        f"last round beside {enough}",
        f"{enough} from",
    ]
    text = markdown(header, rows)
    if summary["everything"] is not None:
        text += (
            f"\n\nEverything labelled: {points(summary['everything'])}. In brackets the paired difference from random"
            " over seeds, for the judged documents; the two columns after the rounds are over seeds and documents."
        )
    return text


def _bracketed(difference: dict[str, Any] | None) -> str:
    return "" if difference is None else f"[{interval(difference)}]"


LABELLING = Experiment(
    "labelling",
    "active learning, simulated: what to label next by each acquisition, beside random",
    jobs,
    summarise,
    table,
    Path("training/data/select/CARD.md"),
)
