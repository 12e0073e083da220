"""One run: a small student trained on some of the training documents, what that took, and how good it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from gateway.document import Candidate
from gateway.evaluation.metrics import Measure, count_documents, total
from gateway.tiers.decode import propose
from gateway.tiers.forms import Forms
from gateway.tiers.large.network import FieldTagger
from training.examples import IGNORE
from training.experiments.counting import packed_counts
from training.experiments.digests import exact
from training.experiments.material import Material, View
from training.families import Family, build_student
from training.loop import Evaluate, LoopSettings, Record, train
from training.methods.swat.layers import SparseLayer
from training.teacher import token_probabilities

#: A result's figures by the name of their column.
Figures = dict[str, Any]
#: What is judged: values as their types compare them, and exact offsets.
MEASURED: tuple[Measure, ...] = ("normalised", "span")
#: From the share of a training that is done to a text; see :func:`training.loop.train`.
Remaining = Callable[[float], str]


@dataclass(frozen=True)
class Setting:
    """How a student is trained: ``rate`` multiplies the family's learning rates, ``methods`` are a recipe's lines."""

    family: Family
    epochs: int
    token_budget: int = 800
    rate: float = 1.0
    methods: tuple[str, ...] = ()
    seed: int = 0
    pool: int = 64

    def loop(self, *, soft: bool) -> LoopSettings:
        """The training loop's settings; ``soft``: there are teacher probabilities."""
        body = self.family.learning_rate
        return LoopSettings(
            epochs=self.epochs,
            learning_rate=self.rate * body,
            head_learning_rate=self.rate * max(1e-3, body),
            token_budget=self.token_budget,
            soft_weight=1.0 if soft else 0.0,
            seed=self.seed,
            methods=self.methods,
            pool=self.pool,
        )

    def describe(self) -> dict[str, Any]:
        """What names a result: the choices made, and a digest of everything that family and loop say."""
        return {
            "family": self.family.name,
            "epochs": self.epochs,
            "token_budget": self.token_budget,
            "rate": self.rate,
            "methods": list(self.methods),
            "pool": self.pool,
            "exact": exact(self.family, self.loop(soft=False)),
        }


@dataclass
class Meter:
    """What a training took. ``flops``: operations of linear layers, forward and backward, by the sizes and shares they
    had; attention's products of activations are not counted."""

    updates: int = 0
    tokens: float = 0.0
    flops: float = 0.0
    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def metered(network: nn.Module) -> Iterator[Meter]:
    """Count what is done to a network within the block, while it is in training mode."""
    meter = Meter()

    def see(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if module.training and torch.is_grad_enabled():
            meter.tokens += float(arguments[1].sum())

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not (module.training and torch.is_grad_enabled()):
            return
        products = 2.0 * output.numel() * cast(nn.Parameter, module.weight).shape[1]
        if isinstance(module, SparseLayer):
            # The weights' share forward and for the input's gradient, the activations' for the weights' gradient.
            meter.flops += products * (2 * module.keep + module.keep_activations)
        else:
            meter.flops += 3 * products

    def step(*_: Any) -> None:
        meter.updates += 1

    handles: list[Any] = [network.register_forward_pre_hook(see), register_optimizer_step_post_hook(step)]
    handles += [module.register_forward_hook(count) for module in network.modules() if isinstance(module, nn.Linear)]
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield meter
    finally:
        meter.wall, meter.cpu = time.perf_counter() - wall, time.process_time() - cpu
        for handle in handles:
            handle.remove()


@dataclass
class Bench:
    """Trains and judges students on one material. Narrow students start from the same encoder whatever the seed."""

    material: Material
    remaining: Remaining | None = None
    _encoders: dict[str, nn.Module] = field(default_factory=dict)

    def build(self, family: Family, seed: int) -> FieldTagger:
        """A student to be trained. The seed draws its head and, of a convolutional one, the convolutions.

        A transformer's encoder comes from the base and is the same for all seeds, as in fine-tuning.
        """
        view = self.material.view(family)
        fields = len(self.material.fields)
        if family.kind == "conv":
            return build_student(family, self.material.base, fields, seed=seed, tokenizer=view.tokenizer)
        if family.name not in self._encoders:
            made = build_student(
                family, self.material.base, fields, seed=0, tokenizer=view.tokenizer, texts=self.material.texts
            )
            self._encoders[family.name] = made.encoder
        torch.manual_seed(seed)
        return FieldTagger(deepcopy(self._encoders[family.name]), fields)

    def train(
        self, setting: Setting, documents: Sequence[int] | None = None, evaluate: Evaluate | None = None
    ) -> tuple[FieldTagger, Figures]:
        """A student trained on these training documents (all by default), and what that took.

        Raises:
            TrainingDiverged: at every rate that was tried.
        """
        view = self.material.view(setting.family)
        network = self.build(setting.family, setting.seed)
        sizes = parameters_of(network)
        examples = view.of(documents)
        soft = any(example.soft is not None for example in examples)
        with metered(network) as meter:
            history = train(
                network,
                examples,
                setting.loop(soft=soft),
                view.vocabulary,
                description="student",
                evaluate=evaluate,
                remaining=self.remaining,
            )
        return network, {
            "documents": len(view.examples) if documents is None else len(documents),
            "parameters": sizes[0],
            "table_parameters": sizes[1],
            "updates": meter.updates,
            "tokens": round(meter.tokens),
            "flops": meter.flops,
            "wall_seconds": round(meter.wall, 3),
            "cpu_seconds": round(meter.cpu, 3),
            "undone": sum("undone" in record for record in history),
            **_last(history),
        }

    def evaluate(
        self,
        network: nn.Module,
        family: Family,
        count: int | None = None,
        known: Sequence[int] | None = None,
    ) -> Figures:
        """F1 (0 to 100) and loss on the judged documents, or on the first ``count`` of them.

        Args:
            known: the training documents whose labels may be used for how values are written; all by default.
        """
        view = self.material.view(family)
        probabilities = self.ask(network, view, view.development[:count])
        forms = self.material.forms if known is None else self.material.forms_of(known)
        return {**self.f1(view, probabilities, forms), "loss": held_out_loss(probabilities, view.targets[:count])}

    def ask(self, network: nn.Module, view: View, encodings: Sequence[Any]) -> list[NDArray[np.float32]]:
        """``[tokens, fields, 3]`` probabilities of each document."""
        return token_probabilities(network, view.encoder, encodings, view.vocabulary.pad, description="asking")

    def run(self, setting: Setting, documents: Sequence[int] | None = None) -> Figures:
        """Train and judge one student."""
        network, figures = self.train(setting, documents)
        return {**figures, **self.evaluate(network, setting.family, known=documents)}

    def f1(self, view: View, probabilities: Sequence[NDArray[np.float32]], forms: Forms) -> Figures:
        """F1 of values and of spans (0 to 100), and the counts of each document."""
        task, documents = self.material.task, self.material.development[: len(probabilities)]
        specs = list(task.fields.values())
        answers: list[dict[str, Sequence[Candidate]]] = []
        for document, encoding, found in zip(documents, view.development[: len(documents)], probabilities, strict=True):
            proposals = propose(document.text, encoding.offsets, found, specs, forms, "student", options=task.options)
            answers.append(
                {
                    spec.name: proposals[spec.name].candidates if spec.many else proposals[spec.name].candidates[:1]
                    for spec in specs
                }
            )
        counted = {measure: count_documents(task, documents, answers, measure) for measure in MEASURED}
        shown = {measure: round(100.0 * (total(counts).f1 or 0.0), 4) for measure, counts in counted.items()}
        return {
            "f1": shown["normalised"],
            "span_f1": shown["span"],
            "counts": packed_counts(counted["normalised"].sum(axis=1)),
        }


def _last(history: Sequence[Record]) -> Figures:
    """The last epoch's own loss and what methods reported in it."""
    record = history[-1]
    names = ("noise_scale", "suggested_batches")
    return {"training_loss": record["loss"], **{name: record[name] for name in names if name in record}}


def parameters_of(network: nn.Module) -> tuple[int, int]:
    """Parameters that take part in computing every token, and those of tables that are looked up."""
    tables = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Embedding))
    return sum(parameter.numel() for parameter in network.parameters()) - tables, tables


def held_out_loss(probabilities: Sequence[NDArray[np.float32]], targets: Sequence[NDArray[np.int64]]) -> float:
    """Cross-entropy in nats a token: −log of the right tag's probability, summed over the fields that are annotated
    at a token, averaged over tokens with any.

    It is what :func:`training.losses.hard_loss` gives, over a whole set of documents.
    """
    lost, tokens = 0.0, 0
    for found, wanted in zip(probabilities, targets, strict=True):
        annotated = wanted != IGNORE
        right = np.take_along_axis(found, np.where(annotated, wanted, 0)[..., None], axis=-1)[..., 0]
        lost -= float(np.log(np.maximum(right[annotated].astype(np.float64), 1e-12)).sum())
        tokens += int(annotated.any(axis=-1).sum())
    return lost / max(1, tokens)
