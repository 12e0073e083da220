"""Near-duplicate texts: found by hashed shingles, confirmed by comparing them, reported as groups."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError

#: Characters of a shingle.
SHINGLE = 5
#: Hashes of a signature: rows of a band must all agree, any band is enough.
BANDS, ROWS = 24, 4
_PRIME = (1 << 61) - 1
#: Spreads values over 64 bits (2^64 divided by the golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 8192


def shingles(text: str) -> frozenset[int]:
    """Hashes of all runs of 5 characters, letter case and runs of white space aside; of a shorter text, of itself."""
    plain = " ".join(text.casefold().split())
    parts = {plain[start : start + SHINGLE] for start in range(max(1, len(plain) - SHINGLE + 1))}
    return frozenset(int.from_bytes(hashlib.blake2b(part.encode(), digest_size=4).digest()) for part in parts)


def similarity(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard similarity: shared shingles beside all of both."""
    return len(one & other) / len(one | other)


def _signatures(sets: Sequence[frozenset[int]], seed: int) -> NDArray[np.uint64]:
    """MinHash: the least of each of 96 hash functions over a set; sets agree in a place with their similarity."""
    rng = np.random.default_rng(seed)
    # Products of 32-bit hashes and 29-bit factors stay below 2^61.
    factors = rng.integers(1, 1 << 29, BANDS * ROWS, dtype=np.uint64)[:, None]
    offsets = rng.integers(0, 1 << 60, BANDS * ROWS, dtype=np.uint64)[:, None]
    result = np.empty((len(sets), BANDS * ROWS), np.uint64)
    result.fill(np.iinfo(np.uint64).max)
    for index, items in enumerate(sets):
        hashes = np.fromiter(items, np.uint64, len(items))
        # In blocks: a long contract has a hundred thousand shingles, times 96 functions.
        for start in range(0, len(hashes), _BLOCK):
            mixed = (factors * hashes[None, start : start + _BLOCK] + offsets) % np.uint64(_PRIME) * _GOLDEN
            np.minimum(result[index], mixed.min(axis=1), out=result[index])
    return result


def near_duplicates(texts: Sequence[str], *, least: float = 0.8, seed: int = 0) -> list[list[int]]:
    """Groups of two or more texts that are nearly the same, each sorted by index, in order of their first.

    Two texts are joined when their Jaccard similarity is at least ``least``; joining goes on through others. Candidates
    come from MinHash signatures: of pairs at similarity 0.8 one in 300,000 is missed, at 0.5 one in five.

    Raises:
        ConfigurationError: ``least`` is not from 0.5 to 1 (below, candidates would be missed too often).

    Source: Broder 1997, "On the resemblance and containment of documents".
    """
    if not 0.5 <= least <= 1:
        raise ConfigurationError(f"near-duplicates: least must be from 0.5 to 1, found {least:g}")
    sets = [shingles(text) for text in texts]
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in sorted(_candidates(_signatures(sets, seed)) if texts else ()):
        first, second = root(one), root(other)
        if first != second and similarity(sets[one], sets[other]) >= least:
            parent[max(first, second)] = min(first, second)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(texts)):
        groups[root(index)].append(index)
    return [members for _, members in sorted(groups.items()) if len(members) > 1]


def _candidates(signatures: NDArray[np.uint64]) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for index, row in enumerate(signatures[:, band * ROWS : (band + 1) * ROWS]):
            buckets[row.tobytes()].append(index)
        for members in buckets.values():
            # Neighbours are enough: what is alike is joined through them, and equal texts would make many pairs.
            pairs.update(pairwise(members))
            pairs.update((members[0], other) for other in members[2:])
    return pairs


def without_duplicates(groups: Iterable[Sequence[int]], scores: Sequence[float] | None = None) -> set[int]:
    """The examples to leave out so that one of each group stays: the first, or the one of the highest score."""
    dropped: set[int] = set()
    for group in groups:
        kept = group[0] if scores is None else max(group, key=lambda index: (scores[index], -index))
        dropped.update(index for index in group if index != kept)
    return dropped
