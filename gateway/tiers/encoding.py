"""Text to token windows, the same for training and serving.

Line breaks carry meaning in documents but tokenizers drop them, so each becomes a ``|``, one character for one
character: offsets into the encoded text are offsets into the document. Texts longer than the model's window are cut
into overlapping windows.

Where a model was trained to use it, a document's context (what was asked just before, say) goes before every window, as
the first text of a pair: the model reads it and marks nothing in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gateway.document import Span

LINE_BREAK = "|"


@dataclass(frozen=True)
class Encoding:
    """A whole document as tokens, without special tokens.

    ``ids``: ``[tokens]`` int64. ``offsets``: ``[tokens, 2]`` int32, code points into the text, end exclusive.
    ``context``: ``[tokens]`` int64, what stands before every window.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int32]
    context: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ids)

    def characters(self, windows: Sequence[Window]) -> list[Span]:
        """The characters of each window's own tokens."""
        return [
            (int(self.offsets[window.start, 0]), int(self.offsets[window.end - 1, 1]))
            if window.end > window.start
            else (0, 0)
            for window in windows
        ]


@dataclass(frozen=True)
class Window:
    """Tokens ``start`` to ``end`` of a document; ``ids`` has ``lead`` tokens before them (the model's first special
    token and the document's context) and the model's last special token after them."""

    start: int
    end: int
    ids: NDArray[np.int64]
    lead: int = 1

    @property
    def own(self) -> slice:
        """Where the document's own tokens stand in ``ids``."""
        return slice(self.lead, len(self.ids) - 1)


class TextEncoder:
    """Encodes documents with a Hugging Face ``tokenizer.json``.

    Args:
        tokenizer_file: the tokenizer.
        window: most tokens a window, special tokens included.
        stride: tokens that neighbouring windows share.
        context_tokens: most tokens of a document's context, the last ones counting; 0: contexts are not read.

    Raises:
        ValueError: the tokenizer puts no special token around a text, or windows would not advance.
    """

    def __init__(self, tokenizer_file: Path, *, window: int = 512, stride: int = 128, context_tokens: int = 0) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        special = self._tokenizer.encode("").ids
        if len(special) != 2:
            raise ValueError(f"{tokenizer_file}: expected one special token before and one after, found {len(special)}")
        # A context is followed by a special token of its own.
        inside = window - 2 - (context_tokens + 1 if context_tokens else 0)
        if context_tokens < 0 or not 0 <= stride < inside:
            beside = f" beside {context_tokens} of context" if context_tokens else ""
            raise ValueError(f"a stride of {stride} tokens does not fit into windows of {window}{beside}")
        self.first_id, self.last_id = special
        self.window = window
        self.stride = stride
        self.context_tokens = context_tokens

    def encode(self, text: str, context: str | None = None) -> Encoding:
        """Tokens of the whole text, whatever its length, and of the end of its context."""
        ids, offsets = self._tokens(text)
        if not context or not self.context_tokens:
            return Encoding(ids, offsets)
        return Encoding(ids, offsets, self._tokens(context)[0][-self.context_tokens :])

    def _tokens(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        # A lone surrogate is no Unicode text to the tokenizer; one character stands in for it, so offsets hold.
        flat = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        encoded = self._tokenizer.encode(flat.replace("\n", LINE_BREAK), add_special_tokens=False)
        return (
            np.asarray(encoded.ids, dtype=np.int64),
            np.asarray(encoded.offsets, dtype=np.int32).reshape(-1, 2),
        )

    def windows(self, encoding: Encoding) -> list[Window]:
        """Cut a document into windows that overlap by ``stride`` tokens; one window when it fits."""
        lead = [self.first_id]
        if len(encoding.context):
            lead += [*encoding.context.tolist(), self.last_id]
        inside = self.window - len(lead) - 1
        step = inside - self.stride
        windows: list[Window] = []
        start = 0
        while True:
            end = min(start + inside, len(encoding))
            ids = np.concatenate((lead, encoding.ids[start:end], [self.last_id])).astype(np.int64)
            windows.append(Window(start, end, ids, len(lead)))
            if end == len(encoding):
                return windows
            start += step


def stitch(windows: Sequence[Window], outputs: Sequence[NDArray[np.float32]], length: int) -> NDArray[np.float32]:
    """Put window outputs together: each token is taken from the window in which it stands furthest from an edge.

    Args:
        windows: as :meth:`TextEncoder.windows` gave them, or some of them: tokens of the others count as outside.
        outputs: a ``[tokens of the window without special tokens, ...]`` array a window.
        length: tokens of the document.

    Returns:
        ``[length, ...]``.
    """
    if len(windows) == 1 and len(outputs[0]) == length:
        return outputs[0]
    stitched = np.zeros((length, *outputs[0].shape[1:]), dtype=outputs[0].dtype)
    best = np.full(length, -1, dtype=np.int64)
    for window, output in zip(windows, outputs, strict=True):
        positions = np.arange(window.start, window.end)
        # The document's own ends are no edges: nothing is missing beyond them.
        from_left = positions - window.start if window.start > 0 else np.full(len(positions), length)
        from_right = window.end - 1 - positions if window.end < length else np.full(len(positions), length)
        distance = np.minimum(from_left, from_right)
        better = distance > best[window.start : window.end]
        chosen = positions[better]
        stitched[chosen] = output[better]
        best[chosen] = distance[better]
    # What no window covers was not read: the first entry of the last axis is "outside".
    unread = best < 0
    if unread.any():
        stitched[unread, ..., 0] = 1
    return stitched
