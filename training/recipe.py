"""The recipe: how a task's models are trained; YAML file ↔ dataclass ↔ ``--set key=value``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from gateway.errors import ConfigurationError
from training.data.select.recipe import parse_selection
from training.data.split import SplitSizes
from training.identity import since_then
from training.loop import LoopSettings
from training.methods.registry import make_hooks
from training.size import parse_size

#: The longest window exported models take, special tokens included.
MOST_WINDOW = 512
#: The largest share of the documents to fit combiners and certify on: at least a tenth is left to learn from.
MOST_HELD_OUT = 0.7


@dataclass(frozen=True)
class SplitRecipe:
    """How documents are divided. ``group_by`` names the fields whose shared value makes documents one group; without
    any the data decide (:func:`training.data.split.grouping_fields`). ``calibration`` is the share of documents that
    thresholds are certified on: what is rare or to be promised strictly needs more of it. ``development`` is the share
    that combiners are fitted on: what rules seldom answer needs more of that. Models get what is left.
    """

    seed: int = 20
    group_by: tuple[str, ...] = ()
    calibration: float = since_then(SplitSizes.calibration)
    development: float = since_then(SplitSizes.development)


@dataclass(frozen=True)
class WindowsRecipe:
    """Long documents; see :mod:`training.windows`.

    Serving reads only windows that are likely to hold a value, chosen so that the share ``recall`` of the values is
    reached; 1: all are read. Models learn from those windows, from all that hold a value, and from ``negatives`` times
    as many others as hold one.
    """

    recall: float = 0.97
    negatives: float = 1.0


@dataclass(frozen=True)
class LargeRecipe:
    """The large tier: a low-rank adapter on every linear layer of a frozen base."""

    base: str = "all-mpnet-base-v2"
    rank: int = 16
    alpha: int = 32
    loop: LoopSettings = field(
        default_factory=lambda: LoopSettings(epochs=10, learning_rate=1e-3, head_learning_rate=1e-3)
    )


@dataclass(frozen=True)
class StudentRecipe:
    """The student: the first ``layers`` of a base, all weights trained on teacher probabilities and labels.

    ``size``, where it says something, takes the place of ``layers``: a family of :mod:`training.families`, limits such
    as ``latency=3`` (milliseconds) or ``parameters=5e6`` within which the largest family is taken, or ``auto``; see
    :mod:`training.size`. ``unlabelled_limit`` caps the unlabelled documents used (0: none, -1: all).
    """

    base: str = "all-MiniLM-L6-v2"
    layers: int = 6
    size: str = since_then("")
    unlabelled_limit: int = -1
    loop: LoopSettings = field(
        default_factory=lambda: LoopSettings(
            epochs=12,
            learning_rate=3e-4,
            head_learning_rate=1e-3,
            token_budget=2400,
            soft_weight=1.0,
            unlabelled_share=0.3,
        )
    )


@dataclass(frozen=True)
class FoldsRecipe:
    """Out-of-fold models, which tell the combiners how far tiers can be trusted; see :mod:`training.calibrate.folds`.

    ``count`` folds (0: none, the combiners then learn from the development part alone). Each fold trains a large tier
    and a student of its own, the student with at most ``unlabelled_limit`` unlabelled documents (-1: as many as the
    student that is served).
    """

    count: int = 3
    seed: int = 20
    unlabelled_limit: int = -1


@dataclass(frozen=True)
class Recipe:
    """All choices of one training run."""

    split: SplitRecipe = field(default_factory=SplitRecipe)
    large: LargeRecipe = field(default_factory=LargeRecipe)
    student: StudentRecipe = field(default_factory=StudentRecipe)
    folds: FoldsRecipe = field(default_factory=FoldsRecipe)
    windows: WindowsRecipe = field(default_factory=WindowsRecipe)
    window: int = 512
    stride: int = 128
    # Most tokens of a document's context that models read, where documents have one.
    context_tokens: int = 32
    threads: int = 0
    targets: tuple[float, ...] = (0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
    # What the data is and its licence: lines for the model card.
    sources: tuple[str, ...] = ()
    # Which labelled documents to train on, such as "el2n keep=50%"; see training.data.select. Nothing: all.
    select: str = since_then("")


def _updated(current: Any, raw: Any, where: str) -> Any:
    """The dataclass ``current`` with the values of ``raw``, checked against the types of its fields."""
    if not isinstance(raw, dict):
        raise ConfigurationError(f"recipe: {where.rstrip('.') or 'top level'} must be a mapping")
    hints = get_type_hints(type(current))
    changes: dict[str, Any] = {}
    for key, value in raw.items():
        name = f"{where}{key}"
        if key not in hints:
            raise ConfigurationError(f"recipe: unknown key {name}; there are: {', '.join(sorted(hints))}")
        kind = hints[key]
        if is_dataclass(kind):
            changes[key] = _updated(getattr(current, key), value, f"{name}.")
        elif get_origin(kind) is tuple:
            if not isinstance(value, (list, tuple)):
                raise ConfigurationError(f"recipe: {name} must be a list, found {value!r}")
            changes[key] = tuple(_checked(item, get_args(kind)[0], f"each of {name}") for item in value)
        else:
            changes[key] = _checked(value, kind, name)
    return replace(current, **changes)


def _checked(value: Any, kind: type, name: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigurationError(f"recipe: {name} must be of type {kind.__name__}, found {value!r}")
    return value


def _check(recipe: Recipe) -> None:
    """Refuse at once what would otherwise fail hours later."""
    limits: list[tuple[str, bool, str]] = [
        ("split.calibration", 0 < recipe.split.calibration <= MOST_HELD_OUT, f"above 0, at most {MOST_HELD_OUT}"),
        (
            "split.development",
            0 < recipe.split.development <= MOST_HELD_OUT - recipe.split.calibration + 1e-9,
            f"above 0, with split.calibration at most {MOST_HELD_OUT}",
        ),
        ("window", 3 <= recipe.window <= MOST_WINDOW, f"from 3 to {MOST_WINDOW} tokens"),
        ("stride", 0 <= recipe.stride < recipe.window - 2, "at least 0 and less than window - 2"),
        ("threads", recipe.threads >= 0, "at least 0"),
        ("targets", bool(recipe.targets) and all(0.5 <= item < 1 for item in recipe.targets), "from 0.5 to below 1"),
        ("large.rank", recipe.large.rank >= 1, "at least 1"),
        ("large.alpha", recipe.large.alpha >= 1, "at least 1"),
        ("student.layers", recipe.student.layers >= 1, "at least 1"),
        ("student.unlabelled_limit", recipe.student.unlabelled_limit >= -1, "-1 (all) or more"),
    ]
    for name, loop in (("large", recipe.large.loop), ("student", recipe.student.loop)):
        limits += [
            (f"{name}.loop.epochs", loop.epochs >= 1, "at least 1"),
            (f"{name}.loop.token_budget", loop.token_budget >= 1, "at least 1"),
            (f"{name}.loop.accumulation", loop.accumulation >= 1, "at least 1"),
            (f"{name}.loop.learning_rate", loop.learning_rate > 0, "above 0"),
            (f"{name}.loop.head_learning_rate", loop.head_learning_rate > 0, "above 0"),
            (f"{name}.loop.temperature", loop.temperature > 0, "above 0"),
            (f"{name}.loop.warmup", 0 <= loop.warmup <= 1, "from 0 to 1"),
            (f"{name}.loop.token_noise", 0 <= loop.token_noise < 1, "from 0 to below 1"),
            (f"{name}.loop.unlabelled_share", 0 <= loop.unlabelled_share <= 1, "from 0 to 1"),
            (f"{name}.loop.seed", loop.seed >= 0, "at least 0"),
            (f"{name}.loop.relation_weight", loop.relation_weight >= 0, "at least 0"),
            (f"{name}.loop.pool", loop.pool >= 1, "at least 1"),
        ]
    for name, holds, allowed in limits:
        if not holds:
            raise ConfigurationError(f"recipe: {name} must be {allowed}")
    lines: list[tuple[str, Callable[[], object]]] = [
        ("large.loop.methods", lambda: make_hooks(recipe.large.loop.methods, warmup=recipe.large.loop.warmup)),
        ("student.loop.methods", lambda: make_hooks(recipe.student.loop.methods, warmup=recipe.student.loop.warmup)),
        ("student.size", lambda: parse_size(recipe.student.size)),
        ("select", lambda: parse_selection(recipe.select) if recipe.select else None),
    ]
    for name, read in lines:
        try:
            read()
        except ConfigurationError as error:
            raise ConfigurationError(f"recipe: {name}: {error.message}") from error


def recipe_of(task: str) -> Path | None:
    """The recipe this project keeps for a task, if it keeps one."""
    path = Path(__file__).parent / "recipes" / f"{task}.yaml"
    return path if path.is_file() else None


def load_recipe(path: Path | None, settings: Sequence[str] = ()) -> Recipe:
    """The default recipe, changed by a YAML file and then by ``key.subkey=value`` settings.

    Raises:
        ConfigurationError: an unknown key, a wrong type or range, or a file that is no YAML mapping.
    """
    recipe = Recipe()
    if path is not None:
        try:
            raw = yaml.safe_load(path.read_text("utf-8")) or {}
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"recipe {path}: {error}") from error
        recipe = _updated(recipe, raw, "")
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {setting}: expected key=value")
        try:
            nested: Any = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigurationError(f"--set {setting}: the value is not YAML") from error
        if isinstance(nested, str):
            # YAML 1.1 reads 1e-3 as text.
            with contextlib.suppress(ValueError):
                nested = float(nested)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        recipe = _updated(recipe, nested, "")
    _check(recipe)
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The whole resolved recipe as YAML."""
    return yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
