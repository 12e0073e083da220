"""The test of the promised quality: is more wrong among accepted answers than was promised?

An audited answer comes with a limit: the probability of being wrong (or of being disagreed with) that the promise
allows. The hypothesis is that the promise holds: given everything before it, each audited answer is wrong with at most
that probability. Limits may differ from answer to answer (requests ask for different targets).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.audit.evidence import Array, Evidence

#: What each bettor believes: the odds of a wrong answer are so many times those at the limit.
ODDS_RATIOS = (1.25, 1.6, 2.0, 3.0, 5.0, 10.0)
_RATIOS = np.array(ODDS_RATIOS)


def log_bets(wrong: float | Array, limit: float | Array) -> Array:
    """ln of the factors by which one audited answer changes each bettor's capital; shape ``(…, bettors)``.

    A bettor who believes in the probability p > m of "wrong" stakes λ = (p − m) / (m·(1 − m)), and gets 1 + λ·(x − m):
    p/m for a wrong answer, (1 − p)/(1 − m) for a right one, and anything between for ``wrong`` between 0 and 1 (a
    partly wrong list, say). The mean is at most 1 whenever the mean of x is at most m.

    Args:
        wrong: 1 for a wrong answer, 0 for a right one; any value between is allowed. Shape ``(…)``.
        limit: the highest probability of "wrong" that keeps the promise, between 0 and 1. Shape ``(…)``.

    Raises:
        ValueError: ``limit`` or ``wrong`` out of range.
    """
    limits = np.asarray(limit, dtype=np.float64)[..., None]
    values = np.asarray(wrong, dtype=np.float64)[..., None]
    if not bool(np.all((limits > 0) & (limits < 1))) or not bool(np.all((values >= 0) & (values <= 1))):
        raise ValueError("a limit lies between 0 and 1, and what was observed from 0 to 1")
    believed = _RATIOS * limits / (1.0 - limits + _RATIOS * limits)
    stake = (believed - limits) / (limits * (1.0 - limits))
    factors: Array = np.log1p(stake * (values - limits))
    return factors


def start() -> Evidence:
    """The evidence before the first audit."""
    return Evidence.start(len(ODDS_RATIOS))


def observe(evidence: Evidence, wrong: float, limit: float) -> Evidence:
    """The evidence after one audited answer of a field."""
    return evidence.step(log_bets(wrong, limit))


def observe_document(evidence: Evidence, judged: Sequence[tuple[float, float]]) -> Evidence:
    """The evidence for the task as a whole after one audited document.

    Fields of one document are wrong together more often than not, so their factors must not be multiplied; the mean of
    fair bets is a fair bet whatever their dependence.

    Args:
        judged: what was observed, and the limit, for each audited field of the document; at least one.
    """
    factors = np.stack([log_bets(wrong, limit) for wrong, limit in judged])
    return evidence.step(np.log(np.mean(np.exp(factors), axis=0)))
