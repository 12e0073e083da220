"""Loss functions of the token classifiers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from training.examples import IGNORE, Batch


def occurrence_weights(logits: Tensor, batch: Batch) -> Tensor:
    """How much each token's hard target counts, ``[B, T, F]``.

    A label names a value, and the value may stand in several places. Treating all as equally right teaches the model to
    mark prices of single items as totals; picking one by rule would need knowledge of the task. Instead each
    occurrence counts in proportion to the probability the model itself gives it now, the most probable one fully (a
    soft form of the hard EM of Min et al. 2019, "A Discrete Hard EM Approach for Weakly Supervised Question
    Answering").
    """
    weights = torch.ones(batch.targets.shape)
    log_probabilities = functional.log_softmax(logits.detach().float(), dim=-1)
    for row, groups in enumerate(batch.occurrences):
        for field, ranges in groups.items():
            if len(ranges) < 2:
                continue
            scores = []
            for start, end in ranges:
                gold = batch.targets[row, start:end, field]
                chosen = log_probabilities[row, start:end, field].gather(-1, gold.clamp(min=0).unsqueeze(-1))
                scores.append(chosen.mean().exp())
            stacked = torch.stack(scores)
            for (start, end), share in zip(ranges, (stacked / stacked.max()).tolist(), strict=True):
                weights[row, start:end, field] = share
    return weights


def hard_loss(logits: Tensor, batch: Batch, weights: Tensor | None) -> Tensor:
    """Cross-entropy against the tags, summed over annotated tokens and fields and divided by annotated tokens."""
    losses = functional.cross_entropy(
        logits.float().flatten(0, 2), batch.targets.flatten(), ignore_index=IGNORE, reduction="none"
    )
    if weights is not None:
        losses = losses * weights.flatten()
    annotated = (batch.targets != IGNORE).any(-1).sum().clamp(min=1)
    return losses.sum() / annotated


def soft_loss(logits: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Distillation: T² · KL(teacher ‖ student) at temperature T, summed over fields, mean over tokens.

    The teacher gives probabilities p; at temperature T they become p^(1/T) renormalised, which equals softening its
    logits.
    Source: Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network".
    """
    if batch.soft is None or batch.soft_mask is None:
        return logits.sum() * 0.0
    teacher = batch.soft.clamp(min=1e-7) ** (1.0 / temperature)
    teacher = teacher / teacher.sum(-1, keepdim=True)
    student = functional.log_softmax(logits.float() / temperature, dim=-1)
    divergence = (teacher * (teacher.log() - student)).sum((-1, -2))
    return temperature**2 * (divergence * batch.soft_mask).sum() / batch.soft_mask.sum().clamp(min=1)


class HeadInput:
    """Keeps what a tagger's head reads, the encoder's last hidden states ``[B, T, C]``, of the latest forward pass.

    A loss on hidden states needs them beside the logits, and the tagger's answer stays what it is::

        with HeadInput(model) as read:
            logits = model(ids, mask)
            loss = relation_loss(read.hidden, teacher_states, batch.soft_mask)
    """

    def __init__(self, model: nn.Module) -> None:
        self._head = model.get_submodule("head")
        self._handle: RemovableHandle | None = None
        self._hidden: Tensor | None = None

    @property
    def hidden(self) -> Tensor:
        """The states, part of the graph.

        Raises:
            RuntimeError: there was no forward pass within the block.
        """
        if self._hidden is None:
            raise RuntimeError("no forward pass since the head's input is kept")
        return self._hidden

    def __enter__(self) -> HeadInput:
        self._handle = self._head.register_forward_pre_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.remove()
        # What holds the graph holds parameters to their sizes, which a method may change.
        self._handle = self._hidden = None

    def _keep(self, _head: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._hidden = inputs[0]


def relation_loss(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float = 0.2) -> Tensor:
    """Distillation of how tokens relate: KL(teacher ‖ student) between softmax(cosine / temperature) over a token's
    neighbours in its window, mean over tokens.

    Cosines are taken between hidden states less their mean in the window, a token's with itself left out. Widths may
    differ, and a teacher's states may be kept as their principal components, which keep cosines as well as can be: no
    projection has to be learned.

    Source: after Wang et al. 2021, "MiniLMv2: Multi-Head Self-Attention Relation Distillation", with the last layer's
    states in place of its queries, keys and values, so that convolutions can learn from it too.

    Args:
        student, teacher: hidden states ``[B, T, C]``, of any widths.
        mask: ``[B, T]`` booleans: tokens of which the teacher has states. Others are neither related nor related to.
    """
    related = mask.unsqueeze(1) & mask.unsqueeze(2) & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    own = _relations(student, mask, related, temperature)
    wanted = _relations(teacher.detach(), mask, related, temperature)
    divergence = (wanted.exp() * (wanted - own)).masked_fill(~related, 0.0).sum(-1)
    return divergence.sum() / related.any(-1).sum().clamp(min=1)


def _relations(states: Tensor, mask: Tensor, related: Tensor, temperature: float) -> Tensor:
    """Log-probabilities ``[B, T, T]``; what is not related has next to none."""
    present = mask.unsqueeze(-1)
    states = states.float().masked_fill(~present, 0.0)
    centre = states.sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp(min=1)
    unit = functional.normalize((states - centre).masked_fill(~present, 0.0), dim=-1)
    scores = unit @ unit.transpose(1, 2) / temperature
    return functional.log_softmax(scores.masked_fill(~related, torch.finfo(scores.dtype).min), dim=-1)
