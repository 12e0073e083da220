"""Scores of single examples from what models said about them: larger is harder or more worth a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gateway.errors import ConfigurationError

Scores = NDArray[np.float64]
Pooling = Literal["mean", "max", "sum"]
POOLINGS: tuple[str, ...] = get_args(Pooling)


def el2n(probabilities: ArrayLike, targets: ArrayLike) -> Scores:
    """The error vector's length, ‖p − onehot(y)‖₂, averaged over models where there are several.

    A uniform guess over C classes scores √(1 − 1/C), a right and certain one 0, a wrong and certain one √2. Meant for
    probabilities from early in training (the first epochs), averaged over a few seeds.

    Args:
        probabilities: ``[..., C]``, or ``[models, ..., C]`` with one axis more than targets have.
        targets: ``[...]`` classes.

    Source: Paul, Ganguli & Dziugaite 2021, "Deep Learning on a Data Diet", definition 2.2.
    """
    given, wanted = np.asarray(probabilities, np.float64), np.asarray(targets)
    if given.shape[-1 - wanted.ndim : -1] != wanted.shape or given.ndim not in (wanted.ndim + 1, wanted.ndim + 2):
        raise ConfigurationError(f"el2n: probabilities {given.shape} do not fit targets {wanted.shape}")
    errors = np.linalg.norm(given - np.eye(given.shape[-1])[wanted], axis=-1)
    return errors.mean(axis=0) if given.ndim == wanted.ndim + 2 else errors


def forgetting(correct: ArrayLike) -> Scores:
    """How often an example went from right to wrong; one that was never right counts as the hardest.

    Args:
        correct: ``[epochs, n]``, whether the example was right at each time it was looked at, oldest first.

    Returns:
        Counts; never learnt ones get the number of epochs, more than any count can be.

    Source: Toneva et al. 2019, "An Empirical Study of Example Forgetting during Deep Neural Network Learning".
    """
    history = _epochs(correct).astype(bool)
    events = (history[:-1] & ~history[1:]).sum(axis=0).astype(np.float64)
    events[~history.any(axis=0)] = len(history)
    return events


def label_dispersion(predicted: ArrayLike) -> Scores:
    """1 − f_max / T: the share of epochs in which the prediction was not the most frequent one.

    AABBB scores 0.4, a prediction that never changes 0.

    Args:
        predicted: ``[epochs, n]`` classes (any values that can be compared).

    Source: Zolfaghari Bengar, Raducanu & van de Weijer 2021, "When Deep Learners Change Their Mind: Learning Dynamics
    for Active Learning".
    """
    history = _epochs(predicted)
    most = np.zeros(history.shape[1], np.int64)
    for answer in history:
        # There may be as many different answers as examples: a table of counts by answer would not fit.
        np.maximum(most, (history == answer).sum(axis=0), out=most)
    return np.asarray(1 - most / len(history))


def _epochs(values: ArrayLike) -> NDArray:
    array = np.asarray(values)
    if array.ndim != 2 or not len(array):
        raise ConfigurationError(f"scores over epochs need an array [epochs, n], found shape {array.shape}")
    return array


def vote_entropy(probabilities: ArrayLike) -> Scores:
    """Entropy, in nats, of the classes that the models of an ensemble vote for: 0 where all agree.

    Args:
        probabilities: ``[models, n, C]``.

    Source: Dagan & Engelson 1995, "Committee-Based Sampling for Training Probabilistic Classifiers".
    """
    given = _ensemble(probabilities)
    votes = np.eye(given.shape[-1])[given.argmax(axis=-1)].mean(axis=0)
    return _entropy(votes)


def mutual_information(probabilities: ArrayLike) -> Scores:
    """Entropy of the mean minus mean entropy (BALD): what the models do not know, without what nobody can know.

    For an ensemble, or for repeated answers of one probabilistic model (dropout left on).

    Args:
        probabilities: ``[models, n, C]``.

    Source: Houlsby et al. 2011, "Bayesian Active Learning for Classification and Preference Learning".
    """
    given = _ensemble(probabilities)
    return np.maximum(_entropy(given.mean(axis=0)) - _entropy(given).mean(axis=0), 0.0)


def _ensemble(probabilities: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(probabilities, np.float64)
    if given.ndim != 3 or len(given) < 2:
        raise ConfigurationError(f"disagreement needs probabilities [models, n, C] of 2 or more, found {given.shape}")
    return given


def _entropy(distribution: NDArray[np.float64]) -> Scores:
    logs = np.log(distribution, out=np.zeros_like(distribution), where=distribution > 0)
    return np.asarray(-(distribution * logs).sum(axis=-1))


def per_document(token_scores: ArrayLike, documents: Sequence[int], count: int, pooling: Pooling = "max") -> Scores:
    """One score a document from its tokens' scores.

    ``mean`` favours short documents that are all hard, ``sum`` long ones; ``max`` asks for the hardest place, which
    suits texts that are mostly outside of any field.

    Args:
        token_scores: ``[tokens]``.
        documents: the document of every token, from 0.
        count: how many documents there are; one without tokens scores 0.
    """
    scores, owners = np.asarray(token_scores, np.float64), np.asarray(documents, np.int64)
    if pooling not in POOLINGS:
        raise ConfigurationError(f"pooling must be one of {', '.join(POOLINGS)}, found {pooling}")
    if scores.shape != owners.shape or scores.ndim != 1:
        raise ConfigurationError(f"token scores {scores.shape} do not fit their documents {owners.shape}")
    if pooling == "max":
        best = np.full(count, -np.inf)
        np.maximum.at(best, owners, scores)
        return np.where(np.isfinite(best), best, 0.0)
    total = np.bincount(owners, scores, minlength=count).astype(np.float64)
    return total if pooling == "sum" else np.asarray(total / np.maximum(np.bincount(owners, minlength=count), 1))


class EpochRecorder:
    """Collects, epoch by epoch, what :func:`el2n`, :func:`forgetting` and :func:`label_dispersion` need.

    Args:
        targets: ``[n]`` classes; -1 where there is no label (then only the dispersion is known).
    """

    def __init__(self, targets: ArrayLike) -> None:
        self.targets = np.asarray(targets, np.int64)
        self._predicted: list[NDArray[np.int64]] = []
        self._errors: list[Scores] = []

    def add(self, probabilities: ArrayLike) -> None:
        """Take in one epoch's probabilities, ``[n, C]``."""
        given = np.asarray(probabilities, np.float64)
        self._predicted.append(given.argmax(axis=-1))
        self._errors.append(el2n(given, np.maximum(self.targets, 0)))

    def el2n(self, epoch: int = -1) -> Scores:
        """The error vector's length after one epoch (counted from 0)."""
        return np.where(self.targets >= 0, self._errors[epoch], np.nan)

    def forgetting(self) -> Scores:
        """Forgetting over the epochs so far."""
        correct = np.stack(self._predicted) == self.targets
        return np.where(self.targets >= 0, forgetting(correct), np.nan)

    def label_dispersion(self) -> Scores:
        """Label dispersion over the epochs so far."""
        return label_dispersion(np.stack(self._predicted))
