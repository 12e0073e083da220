"""What an import is told beside its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from training.data.importing.tags import Scheme


@dataclass(frozen=True)
class ImportOptions:
    """What a source does not say itself.

    Attributes:
        encoding: the files' character encoding; UTF-8 where it is not named.
        rename: field as the source calls it, to what it shall be called.
        values: field to the field that its values are taken from, both as the source calls them.
        only: field, as the source calls it, to the form that its values must have to count.
        fields: the fields to take, as they are called afterwards; all where empty.
        scheme: the tagging scheme that must hold; any where it is not named.
        token_column: number of the column of CoNLL files that holds the tokens, from 0.
        tag_column: the column with the tags; -1 is the last.
        unit: whether a sentence or a document (parted by -DOCSTART-) of CoNLL files becomes a document.
        spaced: whether tokens are joined by a space everywhere.
        text_column: the column of CSV files that holds the text.
        id_column: the column with ids, where there is one.
        delimiter: what parts the columns of CSV files; a tab for ``.tsv``, else a comma.
        separator: what parts several values in a cell; where it is empty, a cell is one value.
        empty: what an empty cell says: that the field is absent, or that nobody has annotated it.
    """

    encoding: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    scheme: Scheme | None = None
    token_column: int = 0
    tag_column: int = -1
    unit: Literal["sentence", "document"] = "sentence"
    spaced: bool = False
    text_column: str = "text"
    id_column: str = "id"
    delimiter: str | None = None
    separator: str = ""
    empty: Literal["absent", "unannotated"] = "absent"
