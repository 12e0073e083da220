"""How sure a remote model is of a value: from its tokens' log-probabilities, or from how often its answers agree.

Neither is a probability of being right; the combiner learns from labelled documents what they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from gateway.tiers.large.remote.answer import Token, Value


def from_tokens(tokens: Sequence[Token], value: Value, aggregate: Literal["mean", "product"]) -> float | None:
    """exp of the mean (the geometric mean of the probabilities) or of the sum of the log-probabilities of the tokens
    that cover any of the value's characters; ``None`` where there are none.

    The mean does not punish long values; see Malinin and Gales, "Uncertainty Estimation in Autoregressive Structured
    Prediction", ICLR 2021, on length-normalised scores.
    """
    covering = [token.logprob for token in tokens if token.start < value.end and token.end > value.start]
    if not covering:
        return None
    total = math.fsum(covering)
    return math.exp(max(-50.0, total / len(covering) if aggregate == "mean" else total))


def from_agreement(agreeing: int, samples: int) -> float:
    """The share of samples that give a value, drawn towards one half as if one more sample had been undecided: three of
    three is no certainty."""
    return (agreeing + 0.5) / (samples + 1)
