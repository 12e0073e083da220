"""SWAT in the training loop, from one line of the recipe."""

from __future__ import annotations

from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from gateway.errors import ConfigurationError
from training.methods.hooks import Hook, Progress
from training.methods.options import Options
from training.methods.swat.groups import find_groups
from training.methods.swat.sparse import (
    DISTRIBUTIONS,
    Distribution,
    apply_swat,
    redistribute,
    remove_swat,
    restore_thresholds,
    thresholds,
)
from training.methods.swat.structured import SCORES, Score, StructuredSwat


class SwatHook(Hook):
    """Unstructured: sparse layers from the first update on; at the end the weights in use are the model's weights."""

    def __init__(
        self,
        keep: float,
        *,
        keep_activations: float | None = None,
        distribute: Distribution = "uniform",
        period: int = 1,
        packed: bool = False,
    ) -> None:
        self.keep, self.keep_activations, self.distribute = keep, keep_activations, distribute
        self.period, self.packed = period, packed
        self._model: nn.Module | None = None
        self._optimizer: Optimizer | None = None

    def prepare(self, model: nn.Module) -> None:
        apply_swat(
            model,
            self.keep,
            keep_activations=self.keep_activations,
            distribute=self.distribute,
            period=self.period,
            packed=self.packed,
        )
        self._model = model

    def start(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._optimizer = optimizer

    def before_update(self, progress: Progress) -> None:
        if self.distribute == "momentum" and self._optimizer is not None and progress.updates % self.period == 0:
            redistribute(_prepared(self._model), self.keep, self._optimizer)

    def finish(self, model: nn.Module) -> None:
        remove_swat(model)

    def state_dict(self) -> dict[str, Any]:
        return cast(dict[str, Any], thresholds(_prepared(self._model)))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore_thresholds(_prepared(self._model), state)


class StructuredSwatHook(Hook):
    """Structured: whole heads and channels; at the end the model is physically smaller."""

    def __init__(
        self,
        keep: float,
        *,
        heads: bool = True,
        channels: bool = True,
        period: int = 100,
        until: float = 0.5,
        score: Score = "gradient",
    ) -> None:
        self.keep, self.heads, self.channels = keep, heads, channels
        self.period, self.until, self.score = period, until, score
        self._swat: StructuredSwat | None = None

    @property
    def swat(self) -> StructuredSwat:
        """The method at work.

        Raises:
            ConfigurationError: no model was prepared.
        """
        if self._swat is None:
            raise ConfigurationError("swat: prepare() comes first")
        return self._swat

    def prepare(self, model: nn.Module) -> None:
        groups = find_groups(model, heads=self.heads, channels=self.channels)
        self._swat = StructuredSwat(groups, self.keep, period=self.period, score=self.score)

    def start(self, model: nn.Module, optimizer: Optimizer) -> None:
        self.swat.start(optimizer)

    def before_update(self, progress: Progress) -> None:
        if progress.share >= self.until:
            # What is chosen now stays, so that the model is trained as it will be used.
            self.swat.until = min(self.swat.until, max(1, self.swat.updates))
        self.swat.before_update()

    def after_backward(self, progress: Progress, examples: int, share: float | None = None) -> None:
        self.swat.after_backward()

    def before_step(self, progress: Progress) -> None:
        self.swat.before_step()

    def after_step(self, progress: Progress) -> None:
        self.swat.after_step()

    def report(self) -> dict[str, float]:
        used, of = (sum(sizes) for sizes in zip(*self.swat.sizes.values(), strict=True))
        return {"swat_channels": used / of}

    def state_dict(self) -> dict[str, Any]:
        return {"until": self.swat.until, **self.swat.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.swat.until = state["until"]
        self.swat.load_state_dict(state)


def _prepared(model: nn.Module | None) -> nn.Module:
    if model is None:
        raise ConfigurationError("swat: prepare() comes first")
    return model


def from_line(rest: str) -> Hook:
    """The hook for ``swat keep=50% [structured] …``.

    Unstructured: ``activations=SHARE``, ``distribute=uniform|erk|momentum``, ``period=BATCHES``, ``packed``.
    Structured: ``part=all|heads|channels``, ``period=UPDATES``, ``until=SHARE`` of the training,
    ``score=gradient|magnitude``.

    Raises:
        ConfigurationError: an option that is unknown or out of range.
    """
    options = Options("swat", rest.split())
    keep = options.number("keep", 0.5, 1e-6, 1)
    if options.flag("structured"):
        part = options.text("part", "all", ("all", "heads", "channels"))
        hook: Hook = StructuredSwatHook(
            keep,
            heads=part != "channels",
            channels=part != "heads",
            period=options.integer("period", 100),
            until=options.number("until", 0.5, 0, 1),
            score=cast(Score, options.text("score", "gradient", SCORES)),
        )
    else:
        activations = options.number("activations", keep, 1e-6, 1)
        hook = SwatHook(
            keep,
            keep_activations=activations,
            distribute=cast(Distribution, options.text("distribute", "uniform", DISTRIBUTIONS)),
            period=options.integer("period", 1, 1),
            packed=options.flag("packed"),
        )
    options.done()
    return hook
