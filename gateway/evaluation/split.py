"""split.json: which documents are for training, development, calibration and validation, fixed once.

No document ever changes its part. Documents that were drawn from what is answered may be appended to a part that
thresholds are certified on.

A document belongs to a part when its id *and* the digest of its text stand there, so a changed text is noticed and a
copied text under another id is still recognised as seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.errors import DatasetError, SeenDocuments
from gateway.evaluation.dataset import LabelledDocument
from gateway.files import write_json

TRAINED_ON = ("train", "development")
#: Parts that thresholds are certified on, and that may grow: this one, and others whose names begin with it.
CERTIFIED_ON = "calibration"
#: The group of appended documents, whose merchants nobody has told apart: all together count as one.
_APPENDED_GROUP = -1


@dataclass(frozen=True)
class Appended:
    """A split with more documents. ``ids``: those appended; ``known``: those of the part already; ``elsewhere``: those
    whose text is in another part, where it stays."""

    split: Split
    ids: tuple[str, ...]
    known: tuple[str, ...]
    elsewhere: tuple[str, ...]


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

    def appended(
        self, documents: Iterable[LabelledDocument], part: str = CERTIFIED_ON, about: Mapping[str, Any] | None = None
    ) -> Appended:
        """The split with documents appended to a part that thresholds are certified on; a part that is not there yet
        begins with them.

        A text that any other part has is left out: models may have learned from it, or validation would no longer be
        independent. So is one that the part has already.

        Args:
            documents: drawn at random from all that are answered, whatever became of them. This is not checked here.
            part: ``calibration``, or a name that begins with ``calibration-``.
            about: where they come from, kept under ``about.appended``.

        Raises:
            DatasetError: another part may not grow, or an id stands for another text already.
        """
        if part != CERTIFIED_ON and not part.startswith(f"{CERTIFIED_ON}-"):
            raise DatasetError(
                f'documents can be appended to the part "{CERTIFIED_ON}", or to one whose name begins with'
                f' "{CERTIFIED_ON}-", not to "{part}"'
            )
        texts = {digest: name for name, found in self.parts.items() for digest in found.values()}
        by_id = {identifier: digest for found in self.parts.values() for identifier, digest in found.items()}
        new: dict[str, str] = {}
        known: list[str] = []
        elsewhere: list[str] = []
        for document in documents:
            digest = document.text_digest
            if (where := texts.get(digest)) is not None:
                (known if where == part else elsewhere).append(document.id)
                continue
            if document.id in by_id:
                raise DatasetError(f'the id "{document.id}" stands for another text in the split already')
            new[document.id] = by_id[document.id] = digest
            texts[digest] = part
        if not new:
            return Appended(self, (), tuple(known), tuple(elsewhere))
        entry = {"part": part, "documents": len(new), **(about or {})}
        split = replace(
            self,
            parts={**self.parts, part: {**self.parts.get(part, {}), **new}},
            groups={**self.groups, **dict.fromkeys(new, _APPENDED_GROUP)},
            about={**self.about, "appended": [*self.about.get("appended", ()), entry]},
        )
        return Appended(split, tuple(new), tuple(known), tuple(elsewhere))

    def save(self, path: Path) -> None:
        """Write split.json atomically."""
        parts = {name: dict(found) for name, found in self.parts.items()}
        raw = {"task": self.task, "seed": self.seed, "about": dict(self.about), "parts": parts}
        write_json(path, {**raw, "groups": dict(self.groups)})

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
