"""Distance from prototypes: how typical an example is of its cluster of embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans

from gateway.errors import ConfigurationError


@dataclass(frozen=True)
class Prototypes:
    """Unit vectors ``[k, d]``, and for every example its cluster and its cosine distance 1 − cos from the prototype."""

    centres: NDArray[np.float64]
    cluster: NDArray[np.int64]
    distance: NDArray[np.float64]


def _unit(vectors: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(vectors, np.float64)
    if given.ndim != 2 or not len(given) or not np.isfinite(given).all():
        raise ConfigurationError(f"prototypes need finite embeddings [n, d], found shape {given.shape}")
    norms = np.linalg.norm(given, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise ConfigurationError("prototypes: an embedding of length 0 has no direction")
    return given / norms


def prototypes(embeddings: ArrayLike, clusters: int, *, seed: int = 0, rounds: int = 20) -> Prototypes:
    """Spherical k-means: k-means on unit vectors, with prototypes brought back to unit length.

    Large distance: an unusual example; small: a typical one. With much data keep the far ones, with little the near.

    Source: Sorscher et al. 2022, "Beyond neural scaling laws: beating power law scaling via data pruning".

    Raises:
        ConfigurationError: fewer examples than clusters, or embeddings without direction.
    """
    points = _unit(embeddings)
    if not 1 <= clusters <= len(points):
        raise ConfigurationError(f"prototypes: clusters must be from 1 to {len(points)}, found {clusters}")
    found = KMeans(clusters, n_init=3, random_state=seed).fit(points)
    return _settle(points, _unit_or_point(found.cluster_centers_, points), np.full(len(points), -1), rounds)


def labelled_prototypes(
    embeddings: ArrayLike, labels: ArrayLike, *, extra: int = 0, seed: int = 0, rounds: int = 20
) -> Prototypes:
    """Semi-supervised: one prototype a class, seeded by its labelled examples, which stay in it.

    Examples without label (-1) go to the nearest prototype and move it. ``extra`` prototypes more, for what no class
    covers, start from the unlabelled examples farthest from all others.

    Source: Basu, Banerjee & Mooney 2002, "Semi-supervised Clustering by Seeding" (constrained k-means).

    Raises:
        ConfigurationError: no example has a label, or labels do not fit the embeddings.
    """
    points, classes = _unit(embeddings), np.asarray(labels, np.int64)
    if classes.shape != (len(points),):
        raise ConfigurationError(f"prototypes: {len(points)} embeddings but labels of shape {classes.shape}")
    known = np.unique(classes[classes >= 0])
    if not len(known):
        raise ConfigurationError("prototypes: no example has a label")
    fixed = np.where(classes >= 0, np.searchsorted(known, classes), -1)
    centres = np.stack([points[fixed == index].mean(axis=0) for index in range(len(known))])
    centres = _unit_or_point(centres, points)
    free = np.flatnonzero(fixed < 0)
    if not 0 <= extra <= len(free):
        raise ConfigurationError(f"prototypes: extra must be from 0 to {len(free)} unlabelled examples, found {extra}")
    for _ in range(extra):
        farthest = free[(points[free] @ centres.T).max(axis=1).argmin()]
        centres = np.vstack([centres, points[farthest]])
    return _settle(points, centres, fixed, rounds)


def _unit_or_point(centres: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centres of unit length; one that lies at the origin has no direction and becomes a point."""
    norms = np.linalg.norm(centres, axis=1, keepdims=True)
    return np.where(norms > 1e-12, centres / np.maximum(norms, 1e-12), points[: len(centres)])


def _settle(
    points: NDArray[np.float64], centres: NDArray[np.float64], fixed: NDArray[np.int64], rounds: int
) -> Prototypes:
    """Assign and average by cosine until nothing changes."""
    cluster = np.full(len(points), -1)
    for _ in range(max(1, rounds)):
        following = np.where(fixed >= 0, fixed, (points @ centres.T).argmax(axis=1))
        if (following == cluster).all():
            break
        cluster = following
        for index in range(len(centres)):
            members = points[cluster == index]
            mean = members.mean(axis=0) if len(members) else np.zeros(points.shape[1])
            norm = np.linalg.norm(mean)
            # An empty cluster, or one whose members cancel, stays where it is.
            if norm > 1e-12:
                centres[index] = mean / norm
    distance = 1 - (points * centres[cluster]).sum(axis=1)
    return Prototypes(centres, cluster.astype(np.int64), np.clip(distance, 0.0, 2.0))
