"""spaCy's JSON forms: pairs for training, the corpora of version 2, documents of version 3, Prodigy's JSON Lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from training.data.importing.detokenising import detokenise, locate
from training.data.importing.offsets import Malformed, Mismatch, entities_of, identifier_of
from training.data.importing.options import ImportOptions
from training.data.importing.reading import read_records
from training.data.importing.records import Entity, Record, Skipped, bad, from_entities
from training.data.importing.tags import BadTag, chunks


def read_spacy(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The documents of a JSON or JSON Lines file, each in whichever of these forms it is.

    * ``["text", {"entities": [[0, 4, "name"]]}]``, a training pair of versions 2 and 3;
    * ``{"text": "…", "ents": [{"start": 0, "end": 4, "label": "name"}]}``, what ``Doc.to_json`` writes, with span
      groups in ``spans``;
    * ``{"text": "…", "spans": [{"start": 0, "end": 4, "label": "name"}], "answer": "accept"}``, Prodigy;
    * ``{"paragraphs": [{"raw": "…", "sentences": [{"tokens": [{"orth": "…", "ner": "U-name"}]}]}]}``, a corpus of
      version 2 (each paragraph becomes a document).

    Raises:
        DatasetError: a record has none of these forms; the message names it.
    """
    for where, raw in read_records(source, options.encoding):
        try:
            yield from _documents(where, raw)
        except Mismatch as error:
            yield Skipped(where, "bad-span", str(error))
        except Malformed as error:
            raise bad(Path(where), str(error)) from error


def _documents(where: str, raw: Any) -> Iterator[Record | Skipped]:
    if isinstance(raw, dict) and isinstance(raw.get("paragraphs"), list):
        for number, paragraph in enumerate(raw["paragraphs"]):
            place = f"{where}, paragraph {number + 1}"
            base = identifier_of(raw)
            yield _paragraph(place, paragraph, None if base is None else f"{base}/{number}")
        return
    if isinstance(raw, list):
        if len(raw) != 2 or not isinstance(raw[0], str) or not isinstance(raw[1], dict):
            raise Malformed('expected ["text", {"entities": [[start, end, label], …]}]')
        yield from_entities(where, raw[0], entities_of(raw[1].get("entities", []), raw[0]))
        return
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str):
        raise Malformed('expected an object with a string "text", a training pair or a corpus with "paragraphs"')
    if raw.get("answer", "accept") != "accept":
        yield Skipped(where, "no-labels", f"its answer is {raw['answer']!r}")
        return
    found = [key for key in ("ents", "entities", "spans") if key in raw]
    if not found:
        yield Skipped(where, "no-labels", "it has neither ents nor entities nor spans")
        return
    groups = [raw[key] for key in found]
    # Span groups are a mapping from the group's name to its spans.
    lists = [list(chain.from_iterable(group.values())) if isinstance(group, dict) else group for group in groups]
    entities = [entity for group in lists for entity in entities_of(group, raw["text"])]
    yield from_entities(where, raw["text"], entities, identifier=identifier_of(raw))


def _paragraph(where: str, raw: Any, identifier: str | None) -> Record | Skipped:
    if not isinstance(raw, dict) or not isinstance(raw.get("sentences", []), list):
        raise Malformed("expected a paragraph with sentences")
    tokens: list[Mapping[str, Any]] = []
    for sentence in raw.get("sentences", []):
        if not isinstance(sentence, dict) or not isinstance(sentence.get("tokens"), list):
            raise Malformed("expected a sentence with tokens")
        tokens += sentence["tokens"]
    words = [str(token.get("orth", "")) for token in tokens if isinstance(token, dict)]
    if len(words) != len(tokens) or not all(words):
        raise Malformed('a token has no "orth"')
    text, spans = detokenise(words)
    if isinstance(raw.get("raw"), str):
        text = raw["raw"]
        located = locate(words, text)
        if located is None:
            return Skipped(where, "bad-tokens", "its tokens do not stand in raw")
        spans = located
    if "entities" in raw:
        return from_entities(where, text, entities_of(raw["entities"], text), identifier=identifier)
    if not any("ner" in token for token in tokens):
        return Skipped(where, "no-labels", 'no token has "ner"')
    try:
        found = chunks([str(token.get("ner") or "O") for token in tokens])
    except BadTag as error:
        raise Malformed(f"token {error.index + 1}: {error}") from error
    entities = [Entity(chunk.label, spans[chunk.start][0], spans[chunk.end - 1][1]) for chunk in found]
    return from_entities(where, text, entities, identifier=identifier)
