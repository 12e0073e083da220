"""What the teacher says: token probabilities of a torch tagger for whole documents, kept in one compressed file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from gateway.files import replacing
from gateway.tiers.decode import BEGIN, INSIDE
from gateway.tiers.encoding import Encoding, TextEncoder, Window, stitch


def token_probabilities(
    network: nn.Module,
    encoder: TextEncoder,
    encodings: Sequence[Encoding],
    pad_id: int,
    *,
    description: str,
    token_budget: int = 4096,
    windows: Sequence[Sequence[Window]] | None = None,
) -> list[NDArray[np.float32]]:
    """``[tokens, fields, 3]`` probabilities of each document, in order, computed in bfloat16.

    Args:
        windows: those of each document that are read; all by default. What is not read counts as outside every value.
    """
    network.eval()
    if windows is None:
        windows = [encoder.windows(encoding) for encoding in encodings]
    flat = [(document, part) for document, parts in enumerate(windows) for part in range(len(parts))]
    flat.sort(key=lambda item: len(windows[item[0]][item[1]].ids))
    outputs: dict[tuple[int, int], NDArray[np.float32]] = {}
    with torch.inference_mode(), tqdm(total=len(flat), desc=description, unit="window", mininterval=5) as progress:
        start = 0
        while start < len(flat):
            end, longest = start, 0
            while end < len(flat):
                size = max(longest, len(windows[flat[end][0]][flat[end][1]].ids))
                if end > start and size * (end - start + 1) > token_budget:
                    break
                longest, end = size, end + 1
            batch = flat[start:end]
            ids = torch.full((len(batch), longest), pad_id, dtype=torch.long)
            mask = torch.zeros((len(batch), longest), dtype=torch.long)
            for row, (document, part) in enumerate(batch):
                window = windows[document][part].ids
                ids[row, : len(window)] = torch.from_numpy(window)
                mask[row, : len(window)] = 1
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(ids, mask)
            probabilities = logits.float().softmax(-1).numpy()
            for row, (document, part) in enumerate(batch):
                outputs[document, part] = probabilities[row, windows[document][part].own]
            progress.update(len(batch))
            start = end
    return [
        stitch(parts, [outputs[document, part] for part in range(len(parts))], len(encodings[document]))
        for document, parts in enumerate(windows)
    ]


def save_probabilities(path: Path, identifiers: Sequence[str], probabilities: Sequence[NDArray[np.float32]]) -> None:
    """Keep probabilities by document id (float16), atomically."""
    arrays = {f"p{index}": array.astype(np.float16) for index, array in enumerate(probabilities)}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, identifiers=np.array(identifiers), **arrays)  # type: ignore[arg-type]


def load_probabilities(path: Path) -> dict[str, NDArray[np.float32]]:
    """What :func:`save_probabilities` kept."""
    with np.load(path) as archive:
        return {
            str(identifier): archive[f"p{index}"].astype(np.float32)
            for index, identifier in enumerate(archive["identifiers"])
        }


def transfer(probabilities: NDArray[np.float32], source: Encoding, target: Encoding) -> NDArray[np.float32]:
    """A teacher's probabilities for another tokenizer's tokens: each target token takes those of the source token in
    which it begins.

    A value begins once: of several target tokens in one source token the later ones take "begin" for "inside". With
    the same word pieces (MPNet and BERT share theirs) this is the identity.
    """
    if np.array_equal(source.offsets, target.offsets):
        return probabilities
    index = np.searchsorted(source.offsets[:, 0], target.offsets[:, 0], side="right") - 1
    index = np.clip(index, 0, len(probabilities) - 1)
    moved = probabilities[index]
    later = np.flatnonzero(index[1:] == index[:-1]) + 1
    moved[later, :, INSIDE] += moved[later, :, BEGIN]
    moved[later, :, BEGIN] = 0.0
    return moved
