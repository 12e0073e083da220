"""Ghost batch normalisation: a large batch normalised in parts, with the statistics of small ones."""

from __future__ import annotations

from typing import cast

from torch import Tensor, cat, nn
from torch.nn import functional

from gateway.errors import ConfigurationError

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class GhostBatchNorm(nn.Module):
    """In training each ghost, a part of the batch, is normalised by its own mean and variance.

    The running statistics move by momentum / n for each of the n ghosts, so that a batch moves them as far as one of
    ordinary batch normalisation does: about momentum in all, and not n times that. In evaluation it is ordinary batch
    normalisation, and it is exported as such. A batch that does not divide evenly is cut into parts of nearly equal
    size, none larger than ``ghost``, unless single examples would be left.

    Mixed into torch's own classes; parameters and buffers are theirs.

    Source: Hoffer, Hubara & Soudry 2017, "Train longer, generalize better", algorithm 1.
    """

    ghost: int

    def forward(self, values: Tensor) -> Tensor:
        """``[batch, channels, …]``, normalised."""
        norm = cast(nn.BatchNorm1d, self)
        use_batch = norm.training or norm.running_mean is None
        parts = ghosts(values, self.ghost) if use_batch else 1
        if parts == 1:
            # Torch's own, which also counts batches.
            return cast(Tensor, super().forward(values))
        norm._check_input_dim(values)
        if norm.num_batches_tracked is not None and norm.training:
            norm.num_batches_tracked.add_(1)
        track = norm.training and norm.track_running_stats
        momentum = cast(float, norm.momentum) / parts
        return cat(
            [
                functional.batch_norm(
                    part,
                    norm.running_mean if track else None,
                    norm.running_var if track else None,
                    norm.weight,
                    norm.bias,
                    True,
                    momentum,
                    norm.eps,
                )
                for part in values.tensor_split(parts)
            ]
        )


def ghosts(values: Tensor, ghost: int) -> int:
    """How many ghosts a batch ``[batch, channels, …]`` is cut into."""
    batch = len(values)
    parts = max(1, -(-batch // ghost))
    if values[0, 0].numel() == 1:
        # One value has no variance.
        parts = max(1, min(parts, batch // 2))
    return parts


class GhostBatchNorm1d(GhostBatchNorm, nn.BatchNorm1d):
    """For ``[batch, channels]`` or ``[batch, channels, length]``."""


class GhostBatchNorm2d(GhostBatchNorm, nn.BatchNorm2d):
    """For ``[batch, channels, height, width]``."""


class GhostBatchNorm3d(GhostBatchNorm, nn.BatchNorm3d):
    """For ``[batch, channels, depth, height, width]``."""


_GHOSTS: dict[type[nn.Module], type[GhostBatchNorm]] = {
    nn.BatchNorm1d: GhostBatchNorm1d,
    nn.BatchNorm2d: GhostBatchNorm2d,
    nn.BatchNorm3d: GhostBatchNorm3d,
}


def apply_ghost_norm(model: nn.Module, ghost: int) -> int:
    """Turn the model's batch normalisations into ghost ones, in place; parameters stay the same objects.

    Returns:
        How many there were.

    Raises:
        ConfigurationError: ``ghost`` is below 2; the model has no batch normalisation; or one averages its running
            statistics over all batches (``momentum=None``), which ghosts cannot share out.
    """
    if ghost < 2:
        raise ConfigurationError(f"ghost_norm: a ghost needs at least 2 examples, found {ghost}")
    norms = [module for module in model.modules() if type(module) in _GHOSTS]
    if not norms:
        raise ConfigurationError(
            "ghost_norm: this model has no batch normalisation. Encoders normalise each token by itself (LayerNorm) and"
            " gain nothing from ghosts"
        )
    if any(cast(nn.BatchNorm1d, norm).momentum is None for norm in norms):
        raise ConfigurationError("ghost_norm: batch normalisation with momentum=None is not supported")
    for norm in norms:
        norm.__class__ = cast(type, _GHOSTS[type(norm)])
        cast(GhostBatchNorm, norm).ghost = ghost
    return len(norms)


def remove_ghost_norm(model: nn.Module) -> None:
    """Turn ghost batch normalisations back into torch's own, with what they learned."""
    back = {ghost: plain for plain, ghost in _GHOSTS.items()}
    for norm in model.modules():
        if type(norm) in back:
            del norm.ghost
            norm.__class__ = cast(type, back[cast(type[GhostBatchNorm], type(norm))])
