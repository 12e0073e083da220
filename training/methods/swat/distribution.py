"""How a model's share of kept weights is divided among its layers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from gateway.errors import ConfigurationError

Shapes = Mapping[str, tuple[int, ...]]


def uniform(shapes: Shapes, keep: float) -> dict[str, float]:
    """Every layer keeps the same share."""
    return dict.fromkeys(shapes, keep)


def erdos_renyi_kernel(shapes: Shapes, keep: float) -> dict[str, float]:
    """Small layers keep more: density ∝ sum of a weight's dimensions / product of them.

    For a linear layer (out + in) / (out · in); for a convolution (out + in + height + width) / their product.

    Source: Evci et al. 2020, "Rigging the Lottery", after Mocanu et al. 2018.
    """
    return _proportional({name: sum(shape) / prod(shape) for name, shape in shapes.items()}, shapes, keep)


def momentum(shapes: Shapes, keep: float, magnitudes: Mapping[str, float]) -> dict[str, float]:
    """Layers whose weights still move keep more: density ∝ the mean magnitude of the layer's momentum.

    Args:
        magnitudes: mean |momentum| of each layer's kept weights. Where all are zero the division is uniform.

    Source: Dettmers & Zettlemoyer 2019, "Sparse Networks from Scratch".
    """
    if not any(magnitudes[name] > 0 for name in shapes):
        return uniform(shapes, keep)
    # A layer that stands still keeps a little, or it could never move again.
    least = 1e-3 * max(magnitudes[name] for name in shapes)
    return _proportional({name: max(magnitudes[name], least) for name in shapes}, shapes, keep)


def _proportional(scores: Mapping[str, float], shapes: Shapes, keep: float) -> dict[str, float]:
    """Densities ∝ scores that keep ``keep`` of all weights together; none above 1, what that leaves goes to others."""
    if not 0 < keep <= 1:
        raise ConfigurationError(f"swat: the share to keep must be above 0 and at most 1, found {keep:g}")
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    full: set[str] = set()
    while True:
        left = keep * sum(sizes.values()) - sum(sizes[name] for name in full)
        free = [name for name in shapes if name not in full]
        weight = sum(scores[name] * sizes[name] for name in free)
        factor = left / weight if weight else 0.0
        above = {name for name in free if factor * scores[name] > 1}
        if not above:
            return {name: 1.0 if name in full else factor * scores[name] for name in shapes}
        full |= above
