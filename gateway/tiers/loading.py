"""Loading a task's model tiers; one that cannot be used is reported, and the others still serve."""

from __future__ import annotations

import logging

from gateway.bases import load_bases
from gateway.document import TierName
from gateway.errors import ConfigurationError, ModelError, ModelMissing
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.task import TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.local import LARGE_MODES, LargeMode, load_large
from gateway.tiers.model import ModelTier
from gateway.tiers.student import TaggerConfig, load_student

log = logging.getLogger(__name__)


def load_model_tiers(
    home: Home, task: TaskSpec, *, threads: int = 0, large_mode: str = "int8"
) -> dict[TierName, tuple[ModelTier | None, TierStatus]]:
    """Student and large tier of a task, each with its status.

    Args:
        threads: CPU threads a model; 0 lets the runtime decide.
        large_mode: ``int8``, ``bf16``, ``fp32``, or ``off``.

    Raises:
        ConfigurationError: an unknown ``large_mode``.
    """
    if large_mode != "off" and large_mode not in LARGE_MODES:
        raise ConfigurationError(f"large mode {large_mode!r} is none of {', '.join(LARGE_MODES)}, off")
    loaded: dict[TierName, tuple[ModelTier | None, TierStatus]] = {}
    for name in task.tiers:
        if name == "rules":
            continue
        try:
            tier = _load(name, home, task, threads, large_mode)
        except ModelError as error:
            log.warning("task %s: %s tier unavailable: %s", task.name, name, error.message)
            # Clients are shown this: where the home lies on this machine is not their business.
            shown = error.message.replace(f"{home.path}/", "").replace(f"{home.cache}/", "cache/")
            loaded[name] = (None, TierStatus(None, shown))
        else:
            loaded[name] = (tier, TierStatus(tier.version, None, tier.mode))
    return loaded


def _load(name: TierName, home: Home, task: TaskSpec, threads: int, large_mode: str) -> ModelTier:
    models = home.models / task.name
    forms = Forms.load(models / "forms.json")
    if name == "student":
        return load_student(models / "student", task, forms, threads=threads)
    if large_mode == "off":
        raise ModelMissing("the large tier is switched off")
    mode: LargeMode = next(mode for mode in LARGE_MODES if mode == large_mode)
    base_name = TaggerConfig.load(models / "large").raw.get("base")
    bases = load_bases(home)
    if base_name not in bases:
        raise ModelMissing(f"models/bases.yaml does not name the base {base_name!r}")
    return load_large(models / "large", task, forms, bases[base_name], home.cache, mode=mode, threads=threads)
