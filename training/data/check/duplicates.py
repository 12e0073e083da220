"""Documents with the same text, and documents with nearly the same.

Nearly the same means that the sets of three consecutive words (letter case ignored) have a Jaccard index of at least
0.8. Candidates come from MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman and Ullman 2020, section 3.4):
20 bands of 5 hashes find a pair of index 0.8 with probability 0.9996. Each candidate is then compared in full.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import regex
from numpy.typing import NDArray

#: Characters of scripts that put no space between words are words of their own.
_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[^\W_]+")
_SHINGLE = 3
_BANDS, _ROWS = 20, 5
LEAST_LIKENESS = 0.8
#: A bucket with more documents is compared along a chain, not all with all: form letters would take forever.
_MOST_IN_BUCKET = 50
_PRIME = np.uint64((1 << 31) - 1)

Hashes = NDArray[np.uint64]


def shingles(text: str) -> Hashes:
    """Hashes (31 bits, sorted, unique) of all runs of three words; of shorter texts that of the whole."""
    words = _WORD.findall(text.casefold())
    if len(words) < _SHINGLE:
        return np.array([_hash(" ".join(words))], dtype=np.uint64)
    # Words are hashed once each, runs from their hashes: long contracts have many runs and few different words.
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(word, _hash(word)) for word in words], dtype=np.uint64)
    runs = np.zeros(len(codes) - _SHINGLE + 1, dtype=np.uint64)
    for place in range(_SHINGLE):
        runs = (runs * np.uint64(1_000_003) + codes[place : len(codes) - _SHINGLE + 1 + place]) % _PRIME
    return np.unique(runs)


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()) % int(_PRIME)


def likeness(left: Hashes, right: Hashes) -> float:
    """The Jaccard index of two sets of shingles."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared)


def near_duplicates(texts: Sequence[str], least: float = LEAST_LIKENESS) -> list[tuple[int, int, float]]:
    """Pairs of texts that are different and nearly the same: their numbers, the smaller first, and their likeness.

    Of many that are all alike, pairs are given that link them, not each with each.
    """
    first_of: dict[str, int] = {}
    for number, text in enumerate(texts):
        first_of.setdefault(text, number)
    numbers = sorted(first_of.values())
    sets = {number: shingles(texts[number]) for number in numbers}
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    rng = np.random.default_rng(0)
    factors = rng.integers(1, int(_PRIME), size=(_BANDS * _ROWS, 1), dtype=np.uint64)
    offsets = rng.integers(0, int(_PRIME), size=(_BANDS * _ROWS, 1), dtype=np.uint64)
    for number in numbers:
        signature = _signature(sets[number], factors, offsets)
        for band in range(_BANDS):
            buckets[band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes()].append(number)
    pairs: set[tuple[int, int]] = set()
    for members in buckets.values():
        if len(members) > _MOST_IN_BUCKET:
            pairs.update(pairwise(members))
        else:
            pairs.update((one, other) for place, one in enumerate(members) for other in members[place + 1 :])
    found = []
    for one, other in sorted(pairs):
        sizes = sorted((len(sets[one]), len(sets[other])))
        if sizes[0] < least * sizes[1]:
            continue
        score = likeness(sets[one], sets[other])
        if score >= least:
            found.append((one, other, score))
    return found


def _signature(hashes: Hashes, factors: Hashes, offsets: Hashes) -> Hashes:
    least = np.full(len(factors), _PRIME, dtype=np.uint64)
    # In pieces, so that a long text does not take a hundred times its length in memory.
    for start in range(0, len(hashes), 8192):
        block = (factors * hashes[None, start : start + 8192] + offsets) % _PRIME
        least = np.minimum(least, block.min(axis=1))
    return least


def duplicate_groups(texts: Sequence[str]) -> list[int]:
    """A group number for each text; equal and nearly equal texts have the same, also through others."""
    parent = list(range(len(texts)))

    def find(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first: dict[str, int] = {}
    for number, text in enumerate(texts):
        parent[find(number)] = find(first.setdefault(text, number))
    for one, other, _ in near_duplicates(texts):
        parent[find(other)] = find(one)
    return [find(number) for number in range(len(texts))]
