"""How fast students train on this machine now, from a short training: what the estimates are made of."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass

from training.experiments.running import Bench, Setting
from training.families import Family
from training.loop import train

#: Training documents and development documents that are timed. The second of two epochs costs more than the first:
#: occurrences of values are weighed in it.
DOCUMENTS, JUDGED, EPOCHS = 200, 50, 2


@dataclass(frozen=True)
class _Seconds:
    """A token in training, a token asked about, and one judgement on the whole development part."""

    training: float
    forward: float
    judging: float


class MeasuredPace:
    """Seconds of each kind of work, measured once for each family."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._known: dict[str, _Seconds] = {}

    def training(self, family: Family) -> float:
        """A token in training, with everything the loop does."""
        return self._measured(family).training

    def forward(self, family: Family) -> float:
        """A token of a document that is asked about."""
        return self._measured(family).forward

    def judging(self, family: Family) -> float:
        """F1 and loss on the development part."""
        return self._measured(family).judging

    def _measured(self, family: Family) -> _Seconds:
        if family.name not in self._known:
            # Lines and bars of the loop are not for anybody here.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self._known[family.name] = self._measure(family)
        return self._known[family.name]

    def _measure(self, family: Family) -> _Seconds:
        bench, view = self._bench, self._bench.material.view(family)
        network = bench.build(family, 0)
        step = max(1, len(view.examples) // DOCUMENTS)
        documents = list(range(0, len(view.examples), step))[:DOCUMENTS]
        examples = view.of(documents)
        tokens = sum(len(example.ids) for example in examples)
        started = time.perf_counter()
        train(network, examples, Setting(family, EPOCHS).loop(soft=False), view.vocabulary)
        trained = time.perf_counter()
        bench.ask(network, view, [view.encodings[index] for index in documents])
        asked = time.perf_counter()
        judged = min(JUDGED, len(view.development))
        bench.evaluate(network, family, judged)
        return _Seconds(
            (trained - started) / (EPOCHS * tokens),
            (asked - trained) / tokens,
            (time.perf_counter() - asked) * len(view.development) / judged,
        )
