"""The methods a recipe can turn on, by name."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import ConfigurationError
from training.methods.batch_ramp import hook as batch_ramp
from training.methods.ghost_norm import hook as ghost_norm
from training.methods.hooks import Hook, Hooks
from training.methods.noise_scale import hook as noise_scale
from training.methods.options import parse_line
from training.methods.swat import hook as swat

#: Name of a method and what it does; each has a folder with a card.
METHODS = {
    "batch_ramp": "updates of more micro-batches as training goes on, or in place of a lower rate",
    "noise_scale": "measures which batch size is worth its examples",
    "ghost_norm": "batch normalisation of large batches in small parts",
    "swat": "computes with the largest weights and activations, or with the best heads and channels, only",
}

_MAKERS = {"noise_scale": noise_scale.from_line, "ghost_norm": ghost_norm.from_line, "swat": swat.from_line}


def make_hooks(lines: Sequence[str], *, warmup: float = 0.0) -> Hooks:
    """The hooks for the lines of a recipe, in their order.

    Args:
        warmup: the loop's share of warm-up, which growth in place of decay must know.

    Raises:
        ConfigurationError: an unknown method, one that stands twice, or a line it cannot read.
    """
    hooks: dict[str, Hook] = {}
    for line in lines:
        name, rest = parse_line(line, METHODS)
        if name in hooks:
            raise ConfigurationError(f"the method {name} stands twice")
        if name == "batch_ramp":
            hooks[name] = batch_ramp.from_line(rest, warmup)
        else:
            hooks[name] = _MAKERS[name](rest)
    # The noise scale must know the final number of micro-batches, so it comes last.
    return Hooks(sorted(hooks.values(), key=lambda hook: isinstance(hook, noise_scale.NoiseScaleHook)))
