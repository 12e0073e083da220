"""Text to token windows, the same for training and serving.

Line breaks carry meaning in documents but tokenizers drop them, so each becomes a ``|``, one character for one
character: offsets into the encoded text are offsets into the document. Texts longer than the model's window are cut
into overlapping windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

LINE_BREAK = "|"


@dataclass(frozen=True)
class Encoding:
    """A whole document as tokens, without special tokens.

    ``ids``: ``[tokens]`` int64. ``offsets``: ``[tokens, 2]`` int32, code points into the text, end exclusive.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Window:
    """Tokens ``start`` to ``end`` of a document; ``ids`` includes the model's first and last special token."""

    start: int
    end: int
    ids: NDArray[np.int64]


class TextEncoder:
    """Encodes documents with a Hugging Face ``tokenizer.json``.

    Args:
        tokenizer_file: the tokenizer.
        window: most tokens a window, special tokens included.
        stride: tokens that neighbouring windows share.

    Raises:
        ValueError: the tokenizer puts no special token around a text, or windows would not advance.
    """

    def __init__(self, tokenizer_file: Path, *, window: int = 512, stride: int = 128) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        special = self._tokenizer.encode("").ids
        if len(special) != 2:
            raise ValueError(f"{tokenizer_file}: expected one special token before and one after, found {len(special)}")
        if not 0 <= stride < window - 2:
            raise ValueError(f"a stride of {stride} tokens does not fit into windows of {window}")
        self.first_id, self.last_id = special
        self.window = window
        self.stride = stride

    def encode(self, text: str) -> Encoding:
        """Tokens of the whole text, whatever its length."""
        # A lone surrogate is no Unicode text to the tokenizer; one character stands in for it, so offsets hold.
        flat = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        encoded = self._tokenizer.encode(flat.replace("\n", LINE_BREAK), add_special_tokens=False)
        return Encoding(
            np.asarray(encoded.ids, dtype=np.int64), np.asarray(encoded.offsets, dtype=np.int32).reshape(-1, 2)
        )

    def windows(self, encoding: Encoding) -> list[Window]:
        """Cut a document into windows that overlap by ``stride`` tokens; one window when it fits."""
        inside = self.window - 2
        step = inside - self.stride
        windows: list[Window] = []
        start = 0
        while True:
            end = min(start + inside, len(encoding))
            ids = np.concatenate(([self.first_id], encoding.ids[start:end], [self.last_id])).astype(np.int64)
            windows.append(Window(start, end, ids))
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
