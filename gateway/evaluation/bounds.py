"""Exact bounds and tests for error rates, with nothing but the standard library.

All of them take documents as independent draws from one population. Receipts of one merchant are not: intervals that
respect groups are in :mod:`gateway.evaluation.bootstrap`.
"""

from __future__ import annotations

import math

# Terms of the binomial tail below this share of the sum change nothing in double precision.
_NEGLIGIBLE = 1e-18


def _log_mass(successes: int, trials: int, probability: float) -> float:
    """ln P(X = successes) for X binomial and 0 < probability < 1."""
    choose = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return choose + successes * math.log(probability) + (trials - successes) * math.log1p(-probability)


def _lower_sum(successes: int, trials: int, probability: float) -> float:
    """ln P(X ≤ successes) summed downwards; terms fall from the first on when ``successes`` is below the mean."""
    odds = (1.0 - probability) / probability
    term = total = 1.0
    for count in range(successes, 0, -1):
        term *= count / (trials - count + 1) * odds
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return _log_mass(successes, trials, probability) + math.log(total)


def log_binomial_tail(successes: int, trials: int, probability: float) -> float:
    """ln P(X ≤ successes) for X ~ Bin(trials, probability); exact but for rounding, ``-inf`` where it is 0.

    Raises:
        ValueError: ``trials`` below 0, or ``probability`` outside [0, 1].
    """
    if trials < 0 or not 0.0 <= probability <= 1.0:
        raise ValueError(f"not a binomial distribution: {trials} trials, probability {probability}")
    if successes < 0:
        return -math.inf
    if successes >= trials or probability == 0.0:
        return 0.0
    if probability == 1.0:
        return -math.inf
    if successes <= trials * probability:
        return min(_lower_sum(successes, trials, probability), 0.0)
    # Above the mean the other tail is the short one: P(X ≤ k) = 1 − P(n − X ≤ n − k − 1).
    upper = math.exp(min(_lower_sum(trials - successes - 1, trials, 1.0 - probability), 0.0))
    return math.log1p(-upper) if upper < 1.0 else -math.inf


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """P(X ≤ successes) for X ~ Bin(trials, probability).

    With ``successes`` errors seen in ``trials`` answers it is the exact p-value of "the error rate is at least
    ``probability``".
    """
    return math.exp(log_binomial_tail(successes, trials, probability))


def clopper_pearson_upper(errors: int, trials: int, delta: float) -> float:
    """The exact one-sided upper bound on an error rate (Clopper & Pearson 1934); 1 where nothing was tried.

    It lies below the true rate with probability at most ``delta``.

    Raises:
        ValueError: not 0 ≤ errors ≤ trials, or ``delta`` outside (0, 1).
    """
    if not 0 <= errors <= trials:
        raise ValueError(f"{errors} errors in {trials} trials")
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta must be between 0 and 1, found {delta}")
    if errors == trials:
        return 1.0
    if errors == 0:
        return -math.expm1(math.log(delta) / trials)
    # The tail falls as the rate rises; halving ends when no number lies between the two sides.
    low, high, wanted = errors / trials, 1.0, math.log(delta)
    while low < (middle := (low + high) / 2) < high:
        if log_binomial_tail(errors, trials, middle) > wanted:
            low = middle
        else:
            high = middle
    return high


def clopper_pearson(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of an error rate.

    Each side is wrong with probability at most ``(1 − confidence) / 2``.

    Raises:
        ValueError: as :func:`clopper_pearson_upper`.
    """
    side = (1.0 - confidence) / 2
    high = clopper_pearson_upper(errors, trials, side)
    return 1.0 - clopper_pearson_upper(trials - errors, trials, side), high


def hoeffding_bentkus(mean_loss: float, trials: int, alpha: float) -> float:
    """p-value of "the expected loss is above ``alpha``", for independent losses in [0, 1] with the mean seen.

    The smaller of Hoeffding's and Bentkus' bounds (Angelopoulos, Bates, Candès, Jordan & Lei 2021, Learn then Test,
    proposition 2): min(exp(−n·h₁(min(R̂, α), α)), e·P(Bin(n, α) ≤ ⌈n·R̂⌉)).

    Raises:
        ValueError: ``mean_loss`` outside [0, 1], ``alpha`` outside (0, 1), or ``trials`` below 0.
    """
    if not 0.0 <= mean_loss <= 1.0 or not 0.0 < alpha < 1.0 or trials < 0:
        raise ValueError(f"mean loss {mean_loss}, {trials} trials, alpha {alpha}")
    if trials == 0:
        return 1.0
    capped = min(mean_loss, alpha)
    divergence = (1.0 - capped) * math.log((1.0 - capped) / (1.0 - alpha))
    if capped > 0.0:
        divergence += capped * math.log(capped / alpha)
    # n·R̂ of a whole number of errors may come out a rounding error above it.
    total = trials * mean_loss
    whole = round(total) if math.isclose(total, round(total), rel_tol=1e-9, abs_tol=1e-9) else math.ceil(total)
    bentkus = math.exp(min(1.0 + log_binomial_tail(whole, trials, alpha), 0.0))
    return min(math.exp(-trials * max(divergence, 0.0)), bentkus, 1.0)


def labels_to_certify(error_rate: float, delta: float = 0.05, errors: int = 0) -> int:
    """The fewest accepted answers that certify ``error_rate`` when ``errors`` of them are wrong.

    That is the least n whose one-sided bound ``clopper_pearson_upper(errors, n, delta)`` is at most ``error_rate``:
    59, 149, 299 and 598 for 5, 2, 1 and 0.5 % without an error.

    Raises:
        ValueError: ``error_rate`` or ``delta`` outside (0, 1), or ``errors`` below 0.
    """
    if not 0.0 < error_rate < 1.0 or not 0.0 < delta < 1.0 or errors < 0:
        raise ValueError(f"error rate {error_rate}, delta {delta}, {errors} errors")
    wanted = math.log(delta)
    enough = errors + 1
    while log_binomial_tail(errors, enough, error_rate) > wanted:
        enough *= 2
    too_few = errors
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if log_binomial_tail(errors, middle, error_rate) > wanted:
            too_few = middle
        else:
            enough = middle
    return enough
