"""Loading a task's model tiers; one that cannot be used is reported, and the others still serve."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, overload

from gateway.bases import load_bases
from gateway.document import TierName
from gateway.errors import ConfigurationError, ModelError, ModelMissing, UpstreamFileError
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.inference.shares import Share
from gateway.task import CallPrice, TaskSpec
from gateway.tiers.base import AsyncTier, Tier
from gateway.tiers.forms import Forms
from gateway.tiers.large.local import LARGE_MODES, LargeMode, load_large
from gateway.tiers.large.remote.configuration import remote_path
from gateway.tiers.large.remote.loading import load_remote_large
from gateway.tiers.large.remote.pricing import with_call_price
from gateway.tiers.large.remote.sync import SyncTier
from gateway.tiers.large.remote.tier import RemoteLargeTier
from gateway.tiers.large.remote.upstreams import Upstreams
from gateway.tiers.model import BATCH_TOKENS, ModelTier
from gateway.tiers.student import TaggerConfig, load_student
from gateway.tiers.windows import WINDOWS, WindowChooser

log = logging.getLogger(__name__)


@overload
def load_model_tiers(
    home: Home,
    task: TaskSpec,
    *,
    threads: int = 0,
    large_mode: str = "int8",
    upstreams: None = None,
    shares: Mapping[TierName, Share] | None = None,
    batch_tokens: int = BATCH_TOKENS,
) -> dict[TierName, tuple[Tier | None, TierStatus]]: ...


@overload
def load_model_tiers(
    home: Home,
    task: TaskSpec,
    *,
    threads: int = 0,
    large_mode: str = "int8",
    upstreams: Upstreams,
    shares: Mapping[TierName, Share] | None = None,
    batch_tokens: int = BATCH_TOKENS,
) -> dict[TierName, tuple[Tier | AsyncTier | None, TierStatus]]: ...


def load_model_tiers(
    home: Home,
    task: TaskSpec,
    *,
    threads: int = 0,
    large_mode: str = "int8",
    upstreams: Upstreams | None = None,
    shares: Mapping[TierName, Share] | None = None,
    batch_tokens: int = BATCH_TOKENS,
) -> Any:
    """Student and large tier of a task, each with its status.

    Where ``models/<task>/large/remote.yaml`` stands, the large tier is remote: an :class:`AsyncTier` that calls
    ``upstreams``, or without those a :class:`SyncTier` with connections of its own.

    Args:
        threads: CPU threads a model; 0 lets the runtime decide. For one caller at a time.
        large_mode: ``int8``, ``bf16``, ``fp32``, or ``off``, which also holds for a remote one.
        upstreams: shared by all tasks that an event loop serves.
        shares: instead of ``threads``, for each tier how many callers at a time, and threads for each.
        batch_tokens: most padded tokens of one forward pass.

    Raises:
        ConfigurationError: an unknown ``large_mode``.
    """
    if large_mode != "off" and large_mode not in LARGE_MODES:
        raise ConfigurationError(f"large mode {large_mode!r} is none of {', '.join(LARGE_MODES)}, off")
    loaded: dict[TierName, tuple[Tier | AsyncTier | None, TierStatus]] = {}
    for name in task.tiers:
        if name == "rules":
            continue
        price = _price(home, task) if name == "large" and large_mode != "off" else None
        try:
            share = shares[name] if shares else Share(1, threads)
            tier = _load(name, home, task, share, large_mode, upstreams, batch_tokens)
        except (ModelError, UpstreamFileError) as error:
            log.warning("task %s: %s tier unavailable: %s", task.name, name, error.message)
            # Clients are shown this: where the home lies on this machine is not their business.
            shown = error.message.replace(f"{home.path}/", "").replace(f"{home.cache}/", "cache/")
            loaded[name] = (None, TierStatus(None, shown, price=price))
        else:
            loaded[name] = (tier, TierStatus(tier.version, None, tier.mode, price))
    return loaded


def _price(home: Home, task: TaskSpec) -> CallPrice | None:
    """What a remote large tier is expected to bill; ``None`` where it is not remote, or nobody can tell."""
    try:
        return with_call_price(task, home.models / task.name, home.upstreams).prices.large
    except UpstreamFileError:
        return None  # what is wrong is said where the tier is loaded


def _load(
    name: TierName,
    home: Home,
    task: TaskSpec,
    share: Share,
    large_mode: str,
    upstreams: Upstreams | None,
    batch_tokens: int,
) -> ModelTier | RemoteLargeTier | SyncTier:
    models = home.models / task.name
    forms = Forms.load(models / "forms.json")
    chooser = WindowChooser.load(models / WINDOWS)
    if name == "student":
        return load_student(
            models / "student",
            task,
            forms,
            threads=share.threads,
            lanes=share.lanes,
            batch_tokens=batch_tokens,
            chooser=chooser,
        )
    if large_mode == "off":
        raise ModelMissing("the large tier is switched off")
    if remote_path(models).is_file():
        remote = load_remote_large(models, task, forms, upstreams or Upstreams(home.upstreams))
        return remote if upstreams is not None else SyncTier(remote)
    mode: LargeMode = next(mode for mode in LARGE_MODES if mode == large_mode)
    base_name = TaggerConfig.load(models / "large").raw.get("base")
    bases = load_bases(home)
    if base_name not in bases:
        raise ModelMissing(f"models/bases.yaml does not name the base {base_name!r}")
    return load_large(
        models / "large",
        task,
        forms,
        bases[base_name],
        home.cache,
        mode=mode,
        threads=share.threads,
        lanes=share.lanes,
        batch_tokens=batch_tokens,
        chooser=chooser,
    )
