"""Documents as training windows: token ids, BIO targets, occurrence groups and soft teacher targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.tiers.encoding import Encoding, TextEncoder, Window

OUTSIDE, BEGIN, INSIDE = 0, 1, 2
IGNORE = -100


@dataclass
class Example:
    """One window.

    ``ids``: ``[T]`` with special tokens. ``targets``: ``[T, F]`` tags or ``IGNORE`` (special tokens, fields not
    annotated). ``occurrences``: a field to the token ranges where its value stands; they are rivals for one label.
    ``soft``: ``[T, F, 3]`` teacher probabilities, or ``None``. ``lead``: tokens before the document's own, which carry
    no target. ``states``: ``[T, K]`` of the teacher, or ``None``; where there are some, there is ``soft`` too.
    """

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    occurrences: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    soft: NDArray[np.float32] | None = None
    lead: int = 1
    states: NDArray[np.float32] | None = None


def token_range(offsets: NDArray[np.int32], start: int, end: int) -> tuple[int, int] | None:
    """Tokens that overlap characters ``start`` to ``end``, or ``None`` when there is none."""
    inside = np.flatnonzero((offsets[:, 1] > start) & (offsets[:, 0] < end))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def make_examples(
    encoder: TextEncoder,
    encoding: Encoding,
    spans: Mapping[str, Sequence[tuple[int, int]]],
    fields: Sequence[str],
    soft: NDArray[np.float32] | None = None,
    windows: Sequence[Window] | None = None,
    states: NDArray[np.float32] | None = None,
) -> list[Example]:
    """The windows of one document.

    Args:
        spans: field to character spans; a field that is missing is not annotated and teaches nothing.
        soft: ``[tokens, F, 3]`` teacher probabilities for the document's tokens.
        windows: those to learn from; all by default.
        states: ``[tokens, K]`` states of the teacher for the document's tokens.
    """
    examples: list[Example] = []
    for window in encoder.windows(encoding) if windows is None else windows:
        size, lead = len(window.ids), window.lead
        targets = np.full((size, len(fields)), IGNORE, dtype=np.int64)
        occurrences: dict[int, list[tuple[int, int]]] = {}
        for index, name in enumerate(fields):
            if name not in spans:
                continue
            targets[window.own, index] = OUTSIDE
            for start, end in spans[name]:
                tokens = token_range(encoding.offsets, start, end)
                if tokens is None or tokens[0] >= window.end or tokens[1] <= window.start:
                    continue
                if tokens[0] < window.start or tokens[1] > window.end:
                    # The window's edge cuts the value: its tokens here are neither outside nor a whole value.
                    left, right = max(tokens[0], window.start), min(tokens[1], window.end)
                    targets[left - window.start + lead : right - window.start + lead, index] = IGNORE
                    continue
                first, last = tokens[0] - window.start + lead, tokens[1] - window.start + lead
                targets[first:last, index] = INSIDE
                targets[first, index] = BEGIN
                occurrences.setdefault(index, []).append((first, last))
        window_soft = None
        if soft is not None:
            window_soft = np.zeros((size, len(fields), 3), dtype=np.float32)
            window_soft[window.own] = soft[window.start : window.end]
        window_states = None
        if states is not None:
            window_states = np.zeros((size, states.shape[1]), dtype=np.float32)
            window_states[window.own] = states[window.start : window.end]
        examples.append(Example(window.ids, targets, occurrences, window_soft, lead, window_states))
    return examples


@dataclass
class Batch:
    """Padded tensors of several examples; ``soft_mask`` ``[B, T]`` says which tokens have teacher targets, and
    ``states`` ``[B, T, K]`` are its states for them."""

    input_ids: Tensor
    attention_mask: Tensor
    targets: Tensor
    occurrences: list[dict[int, list[tuple[int, int]]]]
    soft: Tensor | None
    soft_mask: Tensor | None
    states: Tensor | None = None


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """Pad examples to the longest of them."""
    longest = max(len(example.ids) for example in examples)
    fields = examples[0].targets.shape[1]
    ids = torch.full((len(examples), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(examples), longest), dtype=torch.long)
    targets = torch.full((len(examples), longest, fields), IGNORE, dtype=torch.long)
    with_soft = any(example.soft is not None for example in examples)
    soft = torch.zeros((len(examples), longest, fields, 3)) if with_soft else None
    soft_mask = torch.zeros((len(examples), longest), dtype=torch.bool) if with_soft else None
    for row, example in enumerate(examples):
        size = len(example.ids)
        ids[row, :size] = torch.from_numpy(example.ids)
        mask[row, :size] = 1
        targets[row, :size] = torch.from_numpy(example.targets)
        if soft is not None and soft_mask is not None and example.soft is not None:
            soft[row, :size] = torch.from_numpy(example.soft)
            soft_mask[row, example.lead : size - 1] = True
    widths = {example.states.shape[1] for example in examples if example.states is not None}
    states = torch.zeros((len(examples), longest, widths.pop())) if widths else None
    for row, example in enumerate(examples):
        if states is not None and example.states is not None:
            states[row, : len(example.ids)] = torch.from_numpy(example.states)
    return Batch(ids, mask, targets, [example.occurrences for example in examples], soft, soft_mask, states)


def batches_by_tokens(
    lengths: Sequence[int], budget: int, rng: np.random.Generator, *, pool: int = 64
) -> Iterator[list[int]]:
    """Shuffled batches of similar length whose padded size stays within ``budget`` tokens.

    Examples are shuffled, sorted by length within pools, cut into batches, and the batches shuffled again: little
    padding without always seeing the same neighbours together.
    """
    order = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        batch: list[int] = []
        for index in sorted(order[start : start + pool], key=lambda item: lengths[item]):
            if batch and lengths[index] * (len(batch) + 1) > budget:
                batches.append(batch)
                batch = []
            batch.append(int(index))
        if batch:
            batches.append(batch)
    for index in rng.permutation(len(batches)):
        yield batches[index]
