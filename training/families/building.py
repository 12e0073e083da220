"""Building a student of a family from a base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gateway.tiers.encoding import TextEncoder
from gateway.tiers.large.network import FieldTagger, load_encoder
from training.families.catalogue import Family, base_shape, find_family
from training.families.convolution import ConvEncoder, principal_components
from training.families.narrowing import Tokens, narrow
from training.families.vocabulary import TOKENIZER, rows_of

#: Tokens of text on which a narrow network is fitted to the base, and how many stand in a row.
FITTING_TOKENS, FITTING_WINDOW = 4096, 128


def build_student(
    family: Family | str,
    base: Path,
    fields: int,
    *,
    seed: int,
    tokenizer: Path | None = None,
    texts: Sequence[str] = (),
) -> FieldTagger:
    """A student to be trained: ``network(input_ids, attention_mask)`` gives logits ``[batch, tokens, fields, 3]``.

    The encoder has no dropout (see :mod:`training.loop`). The same arguments give the same weights.

    Args:
        base: the base's directory (config.json, model.safetensors, tokenizer.json).
        fields: the number of fields.
        tokenizer: what :func:`training.families.vocabulary.student_tokenizer` gave; by default the base's own.
        texts: a narrow student is fitted to the base on some of them; without any, on word pieces drawn at random.

    Raises:
        ConfigurationError: no such family; or the base is too small for it, or of a kind that cannot be narrowed.
    """
    family = find_family(family) if isinstance(family, str) else family
    rows = None if tokenizer is None or tokenizer == base / TOKENIZER else rows_of(tokenizer, base)
    wide = base_shape(base)
    shape = family.shape(wide, wide.pieces if rows is None else len(rows))
    torch.manual_seed(seed)
    encoder = load_encoder(base, layers=min(family.layers, wide.layers))
    if family.kind == "conv":
        table = _word_pieces(encoder).weight.detach()
        encoder = ConvEncoder(principal_components(table if rows is None else table[rows], shape.width), shape.layers)
    elif family.width is not None:
        encoder = narrow(encoder, shape, _fitting_tokens(base, texts, wide.pieces, seed))
        # What narrowing drew at random must not move the head's draw.
        torch.manual_seed(seed)
    if family.kind != "conv" and rows is not None:
        _keep_pieces(encoder, rows)
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return FieldTagger(encoder, fields)


def _word_pieces(encoder: nn.Module) -> nn.Embedding:
    embeddings: Any = encoder
    table: nn.Embedding = embeddings.get_input_embeddings()
    return table


def _keep_pieces(encoder: Any, rows: Sequence[int]) -> None:
    """Leave only these rows in the table of word pieces, in this order."""
    table = _word_pieces(encoder)
    padding = table.padding_idx
    kept = nn.Embedding.from_pretrained(
        table.weight.detach()[rows].clone(),
        freeze=False,
        padding_idx=rows.index(padding) if padding is not None and padding in rows else None,
    )
    encoder.set_input_embeddings(kept)
    encoder.config.vocab_size = len(rows)
    encoder.config.pad_token_id = kept.padding_idx


def _fitting_tokens(base: Path, texts: Sequence[str], pieces: int, seed: int) -> list[Tokens]:
    """Batches of the base's word pieces: of some texts, drawn at random, or pieces drawn at random."""
    rng = np.random.default_rng(seed)
    encoder = TextEncoder(base / TOKENIZER, window=FITTING_WINDOW, stride=0)
    windows: list[NDArray[np.int64]] = []
    room = FITTING_TOKENS
    for index in rng.permutation(len(texts)):
        for window in encoder.windows(encoder.encode(texts[index])):
            if room > 0 and window.end > window.start:
                windows.append(window.ids)
                room -= len(window.ids)
    if not windows:
        drawn = rng.integers(pieces, size=(FITTING_TOKENS // FITTING_WINDOW, FITTING_WINDOW))
        drawn[:, 0], drawn[:, -1] = encoder.first_id, encoder.last_id
        windows = list(drawn)
    windows.sort(key=len)
    return [_padded(windows[start : start + 16]) for start in range(0, len(windows), 16)]


def _padded(windows: Sequence[NDArray[np.int64]]) -> Tokens:
    longest = max(len(window) for window in windows)
    ids = torch.zeros((len(windows), longest), dtype=torch.long)
    mask = torch.zeros((len(windows), longest), dtype=torch.long)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = torch.from_numpy(window)
        mask[row, : len(window)] = 1
    return ids, mask
