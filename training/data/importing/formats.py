"""The formats that can be imported, by the names that the command line uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from training.data.importing.conll import read_conll
from training.data.importing.csv_values import read_csv
from training.data.importing.json_lines import read_json_lines
from training.data.importing.label_studio import read_label_studio
from training.data.importing.offsets import read_offsets
from training.data.importing.options import ImportOptions
from training.data.importing.records import Record, Skipped
from training.data.importing.spacy_json import read_spacy
from training.data.importing.sroie import read_sroie

Reader = Callable[[Path, ImportOptions], Iterator[Record | Skipped]]


class Format(NamedTuple):
    """How a format is read, and what it is in a line."""

    read: Reader
    about: str


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "sroie": Format(read_sroie, "A folder of scanned receipts: box/ and key/ (or their like), one file a receipt."),
        "conll": Format(read_conll, "Tokens in columns with BIO, IOB1, BILOU or BIOES tags."),
        "spacy": Format(read_spacy, "spaCy's JSON: training pairs, v2 corpora, v3 documents, Prodigy's JSON Lines."),
        "label-studio": Format(read_label_studio, "Label Studio's JSON or JSON-MIN export of text labels."),
        "csv": Format(read_csv, "A table with a column of texts and a column a field."),
        "offsets": Format(read_offsets, "Presidio's JSON and its like: a text with start, end and type of each value."),
        "jsonl": Format(read_json_lines, "This project's own JSON Lines: checked, renamed and written again."),
    }
)
