"""CoNLL files: a token a line with its tags in columns, sentences parted by empty lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from training.data.importing.detokenising import detokenise
from training.data.importing.options import ImportOptions
from training.data.importing.reading import read_text
from training.data.importing.records import Entity, Record, Skipped, bad, from_entities
from training.data.importing.tags import BadTag, chunks

_DOCUMENT = "-DOCSTART-"


class _Sentence(NamedTuple):
    """Tokens with their tags; ``lines`` are their lines in the file. ``starts``: a document begins here."""

    tokens: list[str]
    tags: list[str]
    lines: list[int]
    starts: bool


def read_conll(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The documents of a CoNLL file.

    Columns are parted by tabs where there are any, else by white space. Lines that begin with ``# `` in front of a
    sentence are comments. The text is put together from the tokens (see :mod:`.detokenising`); sentences of one
    document stand on lines of their own.

    Raises:
        DatasetError: a line has too few columns, or a tag is wrong; the message names the line.
    """
    document: list[_Sentence] = []
    for sentence in _sentences(source, options):
        if document and (options.unit == "sentence" or sentence.starts):
            yield _document(source, document, options)
            document = []
        document.append(sentence)
    if document:
        yield _document(source, document, options)


def _sentences(source: Path, options: ImportOptions) -> Iterator[_Sentence]:
    sentence = _Sentence([], [], [], True)
    starts = True
    width = 0
    for number, line in enumerate(read_text(source, options.encoding).split("\n"), 1):
        columns = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or columns[0] == _DOCUMENT:
            if sentence.tokens:
                yield sentence
                starts = False
            starts |= bool(line.strip())
            sentence = _Sentence([], [], [], starts)
            continue
        if not sentence.tokens and line.startswith("# "):
            continue
        width = width or len(columns)
        try:
            token, tag = columns[options.token_column].strip(), columns[options.tag_column].strip()
        except IndexError:
            token = tag = ""
        if len(columns) < 2 or len(columns) != width or not token:
            raise bad(
                source,
                f"expected {max(width, 2)} columns with a token and a tag (columns {options.token_column} and"
                f" {options.tag_column}), found {len(columns)}: {line[:60]!r}",
                line=number,
            )
        sentence.tokens.append(token)
        sentence.tags.append(tag)
        sentence.lines.append(number)
    if sentence.tokens:
        yield sentence


def _document(source: Path, sentences: list[_Sentence], options: ImportOptions) -> Record | Skipped:
    text = ""
    entities: list[Entity] = []
    for sentence in sentences:
        try:
            found = chunks(sentence.tags, options.scheme)
        except BadTag as error:
            hint = "" if options.scheme is None else " (leave --scheme out to read any scheme)"
            raise bad(source, f"{error}{hint}", line=sentence.lines[error.index]) from error
        text += "\n" if text else ""
        line, spans = detokenise(sentence.tokens, spaced=options.spaced)
        entities += [
            Entity(chunk.label, len(text) + spans[chunk.start][0], len(text) + spans[chunk.end - 1][1])
            for chunk in found
        ]
        text += line
    return from_entities(f"{source}:{sentences[0].lines[0]}", text, entities)
