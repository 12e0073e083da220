"""The recipe: how a task's models are trained; YAML file ↔ dataclass ↔ ``--set key=value``."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError
from training.loop import LoopSettings


@dataclass(frozen=True)
class SplitRecipe:
    """How documents are divided. ``group_by`` names the fields whose shared value makes documents one group."""

    seed: int = 20
    group_by: tuple[str, ...] = ()


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

    ``unlabelled_limit`` caps the unlabelled documents used (0: none, -1: all).
    """

    base: str = "all-MiniLM-L6-v2"
    layers: int = 6
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
class Recipe:
    """All choices of one training run."""

    split: SplitRecipe = field(default_factory=SplitRecipe)
    large: LargeRecipe = field(default_factory=LargeRecipe)
    student: StudentRecipe = field(default_factory=StudentRecipe)
    window: int = 512
    stride: int = 128
    threads: int = 0
    targets: tuple[float, ...] = (0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
    # What the data is and its licence: lines for the model card.
    sources: tuple[str, ...] = ()


def _updated(current: Any, raw: Any, where: str) -> Any:
    """``current`` with the values of ``raw``, checked against the types of what they replace."""
    if is_dataclass(current) and not isinstance(current, type):
        if not isinstance(raw, dict):
            raise ConfigurationError(f"recipe: {where or 'top level'} must be a mapping")
        names = {item.name for item in fields(current)}
        unknown = sorted(str(key) for key in raw if key not in names)
        if unknown:
            raise ConfigurationError(f"recipe: unknown key {where}{unknown[0]}; there are: {', '.join(sorted(names))}")
        changes = {key: _updated(getattr(current, key), value, f"{where}{key}.") for key, value in raw.items()}
        return replace(current, **changes)
    name = where.rstrip(".")
    if isinstance(current, tuple):
        if not isinstance(raw, (list, tuple)):
            raise ConfigurationError(f"recipe: {name} must be a list")
        return tuple(raw)
    if isinstance(current, float) and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if type(raw) is not type(current):
        raise ConfigurationError(f"recipe: {name} must be a {type(current).__name__}, found {raw!r}")
    return raw


def recipe_of(task: str) -> Path | None:
    """The recipe this project keeps for a task, if it keeps one."""
    path = Path(__file__).parent / "recipes" / f"{task}.yaml"
    return path if path.is_file() else None


def load_recipe(path: Path | None, settings: Sequence[str] = ()) -> Recipe:
    """The default recipe, changed by a YAML file and then by ``key.subkey=value`` settings.

    Raises:
        ConfigurationError: an unknown key, a wrong type, or a file that is no YAML mapping.
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
        nested: Any = yaml.safe_load(value)
        if isinstance(nested, str):
            # YAML 1.1 reads 1e-3 as text.
            with contextlib.suppress(ValueError):
                nested = float(nested)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        recipe = _updated(recipe, nested, "")
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The whole resolved recipe as YAML."""
    return yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
