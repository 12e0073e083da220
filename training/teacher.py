"""What the teacher says: token probabilities of a torch tagger for whole documents, kept in one compressed file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from gateway.files import replacing
from gateway.tiers.decode import BEGIN, INSIDE
from gateway.tiers.encoding import Encoding, TextEncoder, Window, stitch
from training.device import autocast
from training.losses import HeadInput

#: Tokens from which the directions of a teacher's states are taken.
FITTING_TOKENS = 20_000


def token_probabilities(
    network: nn.Module,
    encoder: TextEncoder,
    encodings: Sequence[Encoding],
    pad_id: int,
    *,
    description: str,
    token_budget: int = 4096,
    windows: Sequence[Sequence[Window]] | None = None,
    remaining: Callable[[float], str] | None = None,
) -> list[NDArray[np.float32]]:
    """``[tokens, fields, 3]`` probabilities of each document, in order, computed where the network is.

    Args:
        windows: those of each document that are read; all by default. What is not read counts as outside every value.
        remaining: from the share that is done to what is shown about the time left.
    """

    def answer(ids: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = network(ids, mask)
        return logits.float().softmax(-1)

    return _ask(network, answer, encoder, encodings, pad_id, description, token_budget, windows, remaining)


def token_states(
    network: nn.Module,
    encoder: TextEncoder,
    encodings: Sequence[Encoding],
    pad_id: int,
    *,
    width: int,
    description: str,
    token_budget: int = 4096,
    windows: Sequence[Sequence[Window]] | None = None,
    remaining: Callable[[float], str] | None = None,
) -> list[NDArray[np.float32]]:
    """``[tokens, width]`` of each document: what the network's head reads, in the ``width`` directions in which it
    varies most, so that it can be kept and relations between tokens stay about the same.

    The directions are those of the first documents, up to :data:`FITTING_TOKENS` tokens.
    """

    def states(ids: Tensor, mask: Tensor) -> Tensor:
        with HeadInput(network) as read:
            network(ids, mask)
            return read.hidden.float()

    if windows is None:
        windows = [encoder.windows(encoding) for encoding in encodings]
    ends = np.cumsum([len(encoding) for encoding in encodings])
    count = min(len(encodings), int(np.searchsorted(ends, FITTING_TOKENS)) + 1)
    first = _ask(network, states, encoder, encodings[:count], pad_id, description, token_budget, windows[:count], None)
    sample = torch.from_numpy(np.concatenate(first)).double()
    centred = sample - sample.mean(0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    directions = vectors.flip(1)[:, :width].float()

    def projected(ids: Tensor, mask: Tensor) -> Tensor:
        return states(ids, mask) @ directions.to(ids.device)

    return _ask(network, projected, encoder, encodings, pad_id, description, token_budget, windows, remaining)


def _ask(
    network: nn.Module,
    answer: Callable[[Tensor, Tensor], Tensor],
    encoder: TextEncoder,
    encodings: Sequence[Encoding],
    pad_id: int,
    description: str,
    token_budget: int,
    windows: Sequence[Sequence[Window]] | None,
    remaining: Callable[[float], str] | None,
) -> list[NDArray[np.float32]]:
    """What ``answer`` says of each document's tokens; windows of similar length are asked about together."""
    network.eval()
    parameter = next(network.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
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
            with autocast(device):
                found = answer(ids.to(device), mask.to(device))
            answers = found.float().cpu().numpy()
            for row, (document, part) in enumerate(batch):
                outputs[document, part] = answers[row, windows[document][part].own]
            progress.update(len(batch))
            start = end
            if remaining:
                progress.set_postfix(all=remaining(start / len(flat)), refresh=False)
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
    index = _begun_in(source, target)
    moved = probabilities[index]
    later = np.flatnonzero(index[1:] == index[:-1]) + 1
    moved[later, :, INSIDE] += moved[later, :, BEGIN]
    moved[later, :, BEGIN] = 0.0
    return moved


def transfer_states(states: NDArray[np.float32], source: Encoding, target: Encoding) -> NDArray[np.float32]:
    """A teacher's states for another tokenizer's tokens, as :func:`transfer` moves probabilities."""
    return states if np.array_equal(source.offsets, target.offsets) else states[_begun_in(source, target)]


def _begun_in(source: Encoding, target: Encoding) -> NDArray[np.int64]:
    """For each target token the source token in which it begins."""
    index = np.searchsorted(source.offsets[:, 0], target.offsets[:, 0], side="right") - 1
    return np.clip(index, 0, len(source.offsets) - 1)
