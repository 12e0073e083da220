"""A model tier: token windows through a tagger, then decoding; the student and the large tier differ only in the
tagger."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.document import Document, TierName, TierOutput, Work
from gateway.task import TaskSpec
from gateway.tiers.decode import propose, softmax
from gateway.tiers.encoding import Encoding, TextEncoder, Window, stitch
from gateway.tiers.forms import Forms

#: ``tagger(ids, mask)``: ``[batch, tokens]`` int64 each to logits ``[batch, tokens, fields, 3]`` float32.
Tagger = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
#: Windows of one forward pass, in padded tokens: beyond this a batch only costs memory.
BATCH_TOKENS = 4096
#: Windows of one document that are read: its first and its last ones. A longer document would keep the tier from all
#: others for minutes; with windows of 512 tokens these are about 15,000 characters.
FIRST_WINDOWS, LAST_WINDOWS = 12, 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelTier:
    """Runs a tagger over documents. Not for several threads at once.

    Args:
        fields: the names of the tagger's heads, in order.
        tagger: the network.
    """

    name: TierName
    version: str
    task: TaskSpec
    fields: tuple[str, ...]
    encoder: TextEncoder
    tagger: Tagger
    forms: Forms
    pad_id: int
    mode: str
    #: CPU threads of the tagger; 0: the runtime decides.
    threads: int = 0

    def probabilities(self, encodings: Sequence[Encoding]) -> list[NDArray[np.float32]]:
        """Token probabilities ``[tokens, fields, 3]`` of each document."""
        windows = [_worth_reading(self.encoder.windows(encoding)) for encoding in encodings]
        flat = [window for per_document in windows for window in per_document]
        outputs: list[NDArray[np.float32] | None] = [None] * len(flat)
        for batch in _batches([len(window.ids) for window in flat]):
            logits = self._forward([flat[index] for index in batch])
            for row, index in enumerate(batch):
                outputs[index] = softmax(logits[row, 1 : len(flat[index].ids) - 1])
        stitched: list[NDArray[np.float32]] = []
        position = 0
        for encoding, per_document in zip(encodings, windows, strict=True):
            parts = [part for part in outputs[position : position + len(per_document)] if part is not None]
            stitched.append(stitch(per_document, parts, len(encoding)))
            position += len(per_document)
        return stitched

    def _forward(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        longest = max(len(window.ids) for window in windows)
        ids = np.full((len(windows), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(windows), longest), dtype=np.int64)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
        return self.tagger(ids, mask)

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """See :meth:`gateway.tiers.base.Tier.propose`. CPU time of a shared batch is divided by tokens."""
        # One thread's work is seen by that thread's clock; that of several only by the whole process's, which also
        # counts what else the process does meanwhile.
        cpu_clock = time.thread_time if self.threads == 1 else time.process_time
        wall, cpu = time.perf_counter(), cpu_clock()
        encodings = [self.encoder.encode(document.text) for document in documents]
        probabilities = self.probabilities(encodings)
        specs = [self.task.fields[name] for name in self.fields]
        wanted = set(fields)
        proposals = [
            propose(
                document.text,
                encoding.offsets,
                probability,
                specs,
                self.forms,
                self.name,
                day_first=self.task.day_first,
            )
            for document, encoding, probability in zip(documents, encodings, probabilities, strict=True)
        ]
        wall, cpu = time.perf_counter() - wall, cpu_clock() - cpu
        tokens = [len(encoding) for encoding in encodings]
        total = max(1, sum(tokens))
        return [
            TierOutput(
                {name: proposal for name, proposal in found.items() if name in wanted},
                Work(cpu * count / total, wall, count, len(documents)),
            )
            for found, count in zip(proposals, tokens, strict=True)
        ]


def _worth_reading(windows: list[Window]) -> list[Window]:
    """All windows of a document, or the first and last of a very long one."""
    if len(windows) <= FIRST_WINDOWS + LAST_WINDOWS:
        return windows
    unread = len(windows) - FIRST_WINDOWS - LAST_WINDOWS
    log.warning("a document has %d windows; %d in its middle are not read", len(windows), unread)
    return windows[:FIRST_WINDOWS] + windows[-LAST_WINDOWS:]


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices grouped by similar length so that no padded batch exceeds BATCH_TOKENS."""
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda item: lengths[item]):
        if current and lengths[index] * (len(current) + 1) > BATCH_TOKENS:
            batches.append(current)
            current = []
        current.append(index)
    if current:
        batches.append(current)
    return batches
