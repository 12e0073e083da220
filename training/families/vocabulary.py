"""A tokenizer that keeps only the word pieces seen in training texts, and what is needed to write any other text.

Half of a small encoder is the table of its 30,000 word pieces, most of which a task's documents never hold. A word is
cut into pieces by taking the longest piece that fits, again and again. Where every piece of a word is kept the cut
stays the same, since what was the longest still is; a word with a piece that is gone is cut into shorter ones, in the
end into single characters, all of which are kept. So any text can still be read.

Words that training texts do not hold will be cut so. A network that never met such words while it was trained would not
know what to make of them. Pieces that stand in a single text are therefore gone too: what was seen once is the likeness
of what was not seen (Good 1953, "The Population Frequencies of Species").
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.files import replacing
from gateway.tiers.encoding import TextEncoder
from training.families.catalogue import Family, find_family

TOKENIZER = "tokenizer.json"
#: In how many texts a piece must stand to be kept.
LEAST_TEXTS = 2


def student_tokenizer(family: Family | str, base: Path, texts: Iterable[str], path: Path) -> Path:
    """The tokenizer of a student: the base's own, or one with the pieces of ``texts``, written to ``path``.

    Args:
        base: the base's directory.
        texts: everything the student is trained on: documents, labelled and unlabelled, and their contexts.

    Raises:
        ConfigurationError: the base's tokenizer is not made of word pieces.
    """
    family = find_family(family) if isinstance(family, str) else family
    source = base / TOKENIZER
    if family.pieces == "all":
        return source
    prune(source, texts, path)
    return path


def prune(source: Path, texts: Iterable[str], path: Path) -> list[str]:
    """Write to ``path`` the tokenizer ``source`` with the pieces that stand in several of ``texts``, special tokens and
    single characters.

    Pieces keep their order and are numbered anew from 0.

    Returns:
        The kept pieces, by their number.

    Raises:
        ConfigurationError: ``source`` is of a kind that is not known.
    """
    raw: dict[str, Any] = json.loads(source.read_text("utf-8"))
    if raw["model"].get("type") != "WordPiece":
        raise ConfigurationError(f"{source}: only tokenizers of word pieces can be cut down")
    encoder = TextEncoder(source)
    seen: Counter[int] = Counter()
    for text in texts:
        seen.update(set(encoder.encode(text).ids.tolist()))
    vocabulary: dict[str, int] = raw["model"]["vocab"]
    prefix = raw["model"]["continuing_subword_prefix"]
    always = {raw["model"]["unk_token"], *(token["content"] for token in raw["added_tokens"])}
    if outside := always - vocabulary.keys():
        raise ConfigurationError(f"{source}: {min(outside)!r} is not one of its word pieces; keep them all")
    kept = [
        piece
        for piece, number in sorted(vocabulary.items(), key=lambda item: item[1])
        if seen[number] >= LEAST_TEXTS or piece in always or len(piece.removeprefix(prefix)) == 1
    ]
    renumbered = {piece: number for number, piece in enumerate(kept)}
    raw["model"]["vocab"] = renumbered
    for token in raw["added_tokens"]:
        token["id"] = renumbered[token["content"]]
    if raw.get("padding"):
        raw["padding"]["pad_id"] = renumbered[raw["padding"]["pad_token"]]
    _renumber(raw["post_processor"], renumbered, source)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(raw, ensure_ascii=False), "utf-8")
    return kept


def _renumber(processor: dict[str, Any], numbers: dict[str, int], source: Path) -> None:
    """Give the special tokens around a text their new numbers."""
    kind = processor["type"]
    if kind == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            token["ids"] = [numbers[content] for content in token["tokens"]]
    elif kind == "BertProcessing":
        for end in ("sep", "cls"):
            processor[end] = [processor[end][0], numbers[processor[end][0]]]
    elif kind == "Sequence":
        for part in processor["processors"]:
            _renumber(part, numbers, source)
    else:
        raise ConfigurationError(f"{source}: its post-processor {kind} is not known; use a family with all word pieces")


def rows_of(tokenizer: Path, base: Path) -> list[int]:
    """For each piece of ``tokenizer``, in order, its number in the tokenizer of the base in the directory ``base``.

    Raises:
        ConfigurationError: the base lacks a piece.
    """
    own: dict[str, int] = json.loads(tokenizer.read_text("utf-8"))["model"]["vocab"]
    known: dict[str, int] = json.loads((base / TOKENIZER).read_text("utf-8"))["model"]["vocab"]
    if unknown := own.keys() - known.keys():
        raise ConfigurationError(f"{tokenizer}: the piece {min(unknown)!r} is not one of the base's in {base}")
    return [known[piece] for piece, _ in sorted(own.items(), key=lambda item: item[1])]
