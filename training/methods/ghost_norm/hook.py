"""Ghost batch normalisation in the training loop, from one line of the recipe."""

from __future__ import annotations

from torch import nn

from training.methods.ghost_norm.norm import apply_ghost_norm, remove_ghost_norm
from training.methods.hooks import Hook
from training.methods.options import Options


class GhostNormHook(Hook):
    """Ghosts while training; at the end the model has torch's own batch normalisation again."""

    def __init__(self, ghost: int) -> None:
        self.ghost = ghost

    def prepare(self, model: nn.Module) -> None:
        apply_ghost_norm(model, self.ghost)

    def finish(self, model: nn.Module) -> None:
        remove_ghost_norm(model)


def from_line(rest: str) -> Hook:
    """The hook for ``ghost_norm [ghost=32]``.

    Raises:
        ConfigurationError: an option that is unknown or out of range.
    """
    options = Options("ghost_norm", rest.split())
    hook = GhostNormHook(options.integer("ghost", 32, 2))
    options.done()
    return hook
