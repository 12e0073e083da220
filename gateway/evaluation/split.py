"""split.json: which documents are for training, development, calibration and validation, fixed once.

A document belongs to a part when its id *and* the digest of its text stand there, so a changed text is
noticed and a copied text under another id is still recognised as seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import DatasetError, SeenDocuments
from gateway.evaluation.dataset import LabelledDocument

TRAINED_ON = ("train", "development")


@dataclass(frozen=True)
class Split:
    """``parts`` maps a part's name to ``{document id: text digest}``; ``groups`` a document id to its group."""

    task: str
    seed: int
    parts: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, int]
    about: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read split.json.

        Raises:
            DatasetError: missing or malformed file.
        """
        if not path.is_file():
            raise DatasetError(f"no split at {path}: `cascade train` makes it")
        try:
            raw = json.loads(path.read_text("utf-8"))
            return cls(raw["task"], raw["seed"], raw["parts"], raw["groups"], raw["about"])
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path}: not a split file ({error!r})") from error

    def select(self, documents: Iterable[LabelledDocument], part: str) -> list[LabelledDocument]:
        """The documents of one part, in the order given.

        Raises:
            DatasetError: no such part, none of its documents is there, or a document's text has changed.
        """
        if part not in self.parts:
            raise DatasetError(f'no part "{part}" in the split; there are: {", ".join(self.parts)}')
        wanted = self.parts[part]
        chosen = [document for document in documents if document.id in wanted]
        if not chosen:
            raise DatasetError(f'none of the {len(wanted)} documents of part "{part}" is in the data')
        changed = [document.id for document in chosen if document.text_digest != wanted[document.id]]
        if changed:
            raise DatasetError(
                f'{len(changed)} documents of part "{part}" have another text than when the split was made,'
                f" the first: {changed[0]}"
            )
        return chosen

    def group_of(self, document: LabelledDocument) -> str:
        """The group (merchant) of a document; a document unknown to the split is a group of its own."""
        group = self.groups.get(document.id)
        return document.id if group is None else str(group)

    def refuse_seen(self, documents: Iterable[LabelledDocument], parts: Iterable[str] = TRAINED_ON) -> None:
        """Raise when any document's text was used in one of ``parts``.

        Raises:
            SeenDocuments: with their number and first ids.
        """
        digests = {digest for part in parts for digest in self.parts.get(part, {}).values()}
        seen = [document.id for document in documents if document.text_digest in digests]
        if seen:
            raise SeenDocuments(
                f"{len(seen)} of these documents were used to train this task, so figures on them would flatter it;"
                " choose a part with --part, or pass --allow-seen",
                detail={"count": len(seen), "first": seen[:5]},
            )
