"""A model tier: token windows through a tagger, then decoding; the student and the large tier differ only in the
tagger."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.document import Document, Proposal, TierName, TierOutput, Work
from gateway.task import TaskSpec
from gateway.tiers.decode import propose, softmax
from gateway.tiers.encoding import Encoding, TextEncoder, Window, stitch
from gateway.tiers.forms import Forms
from gateway.tiers.windows import WindowChooser

#: ``tagger(ids, mask)``: ``[batch, tokens]`` int64 each to logits ``[batch, tokens, fields, 3]`` float32.
Tagger = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
#: Windows of one forward pass, in padded tokens. On a CPU a batch saves time only while it is short (a third at 16
#: texts of 32 tokens, nothing from 64 tokens on); beyond that it costs memory, and its first text waits for its last.
#: Nor is company free: dynamic quantisation scales a batch's numbers together, so scores shift a little with it.
BATCH_TOKENS = 256
#: Tokens of the texts a tier reads before it is called ready: the runtime's first pass of a size is slow.
_WARM_UP_WORDS = (8, 200, 600)
#: Windows of one document that are read: its first and its last ones. A longer document would keep the tier from all
#: others for minutes; with windows of 512 tokens these are about 15,000 characters.
FIRST_WINDOWS, LAST_WINDOWS = 12, 4

log = logging.getLogger(__name__)
_NOTHING = np.empty((0, 0, 3), dtype=np.float32)


@dataclass(frozen=True)
class ModelTier:
    """Runs a tagger over documents, in as many threads at a time as its tagger allows.

    Args:
        fields: the names of the tagger's heads, in order.
        tagger: the network.
        cpu_clock: CPU seconds spent so far for the calling thread; it must see what the tagger's helper threads do.
        batch_tokens: most padded tokens of one forward pass; a single longer window passes alone.
        chooser: which windows of long documents are read; without one all, of very long ones the first and last.
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
    cpu_clock: Callable[[], float] = time.thread_time
    batch_tokens: int = BATCH_TOKENS
    chooser: WindowChooser | None = None

    def probabilities(
        self, encodings: Sequence[Encoding], windows: Sequence[list[Window]] | None = None
    ) -> list[NDArray[np.float32]]:
        """Token probabilities ``[tokens, fields, 3]`` of each document, from ``windows`` or from all worth reading."""
        if windows is None:
            windows = [_first_and_last(self.encoder.windows(encoding)) for encoding in encodings]
        outputs = self._read(windows)
        return [
            stitch(read, found, len(encoding))
            for read, found, encoding in zip(windows, outputs, encodings, strict=True)
        ]

    def _read(self, windows: Sequence[list[Window]]) -> list[list[NDArray[np.float32]]]:
        """For each document, the probabilities of each window's own tokens."""
        flat = [window for per_document in windows for window in per_document]
        outputs: list[NDArray[np.float32]] = [_NOTHING] * len(flat)
        for batch in _batches([len(window.ids) for window in flat], self.batch_tokens):
            logits = self._forward([flat[index] for index in batch])
            for row, index in enumerate(batch):
                outputs[index] = softmax(logits[row, flat[index].own])
        ends = list(itertools.accumulate(len(per_document) for per_document in windows))
        return [outputs[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def _forward(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        longest = max(len(window.ids) for window in windows)
        ids = np.full((len(windows), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(windows), longest), dtype=np.int64)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
        return self.tagger(ids, mask)

    def warm_up(self) -> None:
        """Read texts of several lengths, so that the first request is as fast as the others."""
        for words in _WARM_UP_WORDS:
            self.propose([Document("12.30 total\n" * (words // 4))], self.fields)

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """See :meth:`gateway.tiers.base.Tier.propose`."""
        return self.propose_each(documents, [fields] * len(documents))

    def propose_each(self, documents: Sequence[Document], fields: Sequence[Sequence[str]]) -> list[TierOutput]:
        """As :meth:`propose`, with the fields of each document; others are not decoded.

        All that the batch cost in CPU time, padding and decoding included, is divided by the tokens the network read of
        each document, its special tokens included.
        """
        if not documents:
            return []
        wall, cpu = time.perf_counter(), self.cpu_clock()
        encodings = [self.encoder.encode(document.text, document.context) for document in documents]
        readings = [
            self._choose(document, encoding, wanted)
            for document, encoding, wanted in zip(documents, encodings, fields, strict=True)
        ]
        outputs = self._read([reading.windows for reading in readings])
        proposals = [
            self._decode(document, encoding, reading, found)
            for document, encoding, reading, found in zip(documents, encodings, readings, outputs, strict=True)
        ]
        read = [sum(len(window.ids) for window in reading.windows) for reading in readings]
        wall, cpu = time.perf_counter() - wall, self.cpu_clock() - cpu
        return [
            TierOutput(found, Work(cpu * count / sum(read), wall, reading.tokens, len(documents)))
            for found, count, reading in zip(proposals, read, readings, strict=True)
        ]

    def _choose(self, document: Document, encoding: Encoding, wanted: Sequence[str]) -> _Reading:
        """What is read of a document for the fields ``wanted``."""
        windows = self.encoder.windows(encoding)
        names = [name for name in self.fields if name in wanted]
        if self.chooser is None or len(windows) < self.chooser.from_windows:
            return _Reading(_first_and_last(windows), dict.fromkeys(names))
        chosen = self.chooser.choose(document.text, encoding.characters(windows), names)
        union = sorted(set().union(*chosen.values()))
        kept = _first_and_last([windows[index] for index in union])
        starts = {windows[index].start: index for index in union}
        return _Reading(
            kept,
            {
                name: [place for place, window in enumerate(kept) if starts[window.start] in own]
                for name, own in chosen.items()
            },
        )

    def _decode(
        self, document: Document, encoding: Encoding, reading: _Reading, outputs: Sequence[NDArray[np.float32]]
    ) -> dict[str, Proposal]:
        proposals: dict[str, Proposal] = {}
        # What is said of a field must not depend on which others were asked for: it comes from its own windows alone.
        for places, names in reading.by_windows():
            if not places:
                proposals |= {name: Proposal() for name in names}
                continue
            heads = [self.fields.index(name) for name in names]
            windows = [reading.windows[place] for place in places]
            probabilities = stitch(windows, [outputs[place][:, heads] for place in places], len(encoding))
            proposals |= propose(
                document.text,
                encoding.offsets,
                probabilities,
                [self.task.fields[name] for name in names],
                self.forms,
                self.name,
                options=self.task.options,
            )
        return proposals


@dataclass(frozen=True)
class _Reading:
    """The windows of a document that are read, and for each field which of them (``None``: all)."""

    windows: list[Window]
    fields: Mapping[str, Sequence[int] | None]

    @property
    def tokens(self) -> int:
        """Tokens of the document that are read; those that windows share count once."""
        ends = [0, *(window.end for window in self.windows)]
        return sum(window.end - max(window.start, end) for window, end in zip(self.windows, ends, strict=False))

    def by_windows(self) -> list[tuple[tuple[int, ...], list[str]]]:
        """Fields that read the same windows, together."""
        groups: dict[tuple[int, ...], list[str]] = {}
        for name, places in self.fields.items():
            key = tuple(range(len(self.windows))) if places is None else tuple(places)
            groups.setdefault(key, []).append(name)
        return list(groups.items())


def _first_and_last(windows: list[Window]) -> list[Window]:
    """All windows of a document, or the first and last of a very long one."""
    if len(windows) <= FIRST_WINDOWS + LAST_WINDOWS:
        return windows
    unread = len(windows) - FIRST_WINDOWS - LAST_WINDOWS
    log.warning("a document has %d windows; %d in its middle are not read", len(windows), unread)
    return windows[:FIRST_WINDOWS] + windows[-LAST_WINDOWS:]


def _batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped by similar length so that no padded batch exceeds ``budget`` tokens."""
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda item: lengths[item]):
        if current and lengths[index] * (len(current) + 1) > budget:
            batches.append(current)
            current = []
        current.append(index)
    if current:
        batches.append(current)
    return batches
