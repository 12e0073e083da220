"""How fast students train on this machine now, from a short training: what the estimates are made of."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass, replace

from training.experiments.jobs import TOKEN_BUDGET
from training.experiments.running import Bench, Setting
from training.families import Family
from training.loop import train

#: Training documents and judged documents that are timed, after some that are not; pools as large as
#: any experiment's. The second of two epochs costs more than the first: occurrences of values are weighed in it.
DOCUMENTS, JUDGED, EPOCHS, WARM_UP, POOL = 200, 50, 2, 20, 1024


@dataclass(frozen=True)
class _Seconds:
    """A token in training, a token asked about, and one judgement on the whole development part."""

    training: float
    forward: float
    judging: float


class MeasuredPace:
    """CPU seconds of each kind of work, measured once for each family and size of batch."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._known: dict[tuple[str, int], _Seconds] = {}

    def training(self, family: Family, token_budget: int = TOKEN_BUDGET) -> float:
        """A token in training with batches of this size, with everything the loop does."""
        return self._measured(family, token_budget).training

    def forward(self, family: Family) -> float:
        """A token of a document that is asked about."""
        return self._measured(family).forward

    def judging(self, family: Family) -> float:
        """F1 and loss on the development part."""
        return self._measured(family).judging

    def _measured(self, family: Family, token_budget: int | None = None) -> _Seconds:
        if token_budget is None:
            # Asking does not depend on the batches of trainings: any measurement will do.
            token_budget = next((size for name, size in self._known if name == family.name), TOKEN_BUDGET)
        if (family.name, token_budget) not in self._known:
            # Lines and bars of the loop are not for anybody here.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self._known[family.name, token_budget] = self._measure(family, token_budget)
        return self._known[family.name, token_budget]

    def _measure(self, family: Family, token_budget: int) -> _Seconds:
        bench, view = self._bench, self._bench.material.view(family)
        network = bench.build(family, 0)
        step = max(1, len(view.examples) // DOCUMENTS)
        documents = list(range(0, len(view.examples), step))[:DOCUMENTS]
        examples = view.of(documents)
        tokens = sum(len(example.ids) for example in examples)
        settings = Setting(family, EPOCHS, token_budget, pool=POOL).loop(soft=False)
        # The first passes of a process cost more than any later ones.
        train(bench.build(family, 0), examples[:WARM_UP], replace(settings, epochs=1), view.vocabulary)
        started = time.process_time()
        train(network, examples, settings, view.vocabulary)
        trained = time.process_time()
        bench.ask(network, view, [view.encodings[index] for index in documents])
        looked = time.process_time()
        # Learned once for a material, not for every judgement.
        _ = bench.material.forms
        begun = time.process_time()
        judged = min(JUDGED, len(view.development))
        bench.evaluate(network, family, judged)
        return _Seconds(
            (trained - started) / (EPOCHS * tokens),
            (looked - trained) / tokens,
            (time.process_time() - begun) * len(view.development) / judged,
        )
