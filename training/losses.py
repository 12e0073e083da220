"""Loss functions of the token classifiers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

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
