"""Fixing the parts of a data set before any rule is written or model trained.

Documents are grouped by the values that identify their origin (for receipts: company or address), because
errors cluster by merchant. Parts:

* ``validation-unseen``: whole groups that appear in no other part;
* ``calibration``: a plain random sample of the remaining documents, so that it has the mix of known and new
  merchants that ``train`` leaves behind;
* ``development``: a random sample for early stopping, post-processing choices and confidence combiners;
* ``validation-seen``: documents whose group also stands in ``train``;
* ``train``: the rest.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import TaskSpec
from gateway.values import fold_text


@dataclass(frozen=True)
class SplitSizes:
    """Documents a part, as shares of the whole; ``train`` is what is left."""

    validation_unseen: float = 0.10
    validation_seen: float = 0.10
    calibration: float = 0.20
    development: float = 0.08
    # A group larger than this share stays out of validation-unseen: one merchant must not be the verdict. A group of
    # one document never is.
    largest_unseen_group: float = 0.02


def group_documents(documents: Sequence[LabelledDocument], keys: Sequence[str]) -> dict[str, int]:
    """Group documents that share a folded value under any of ``keys``, or the whole text (union-find).

    Returns:
        Document id to group number; groups are numbered in order of first appearance.
    """
    parent = list(range(len(documents)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_with: dict[tuple[str, str], int] = {}
    for index, document in enumerate(documents):
        marks = [("text", document.text)]
        for key in keys:
            value = document.labels.get(key)
            if isinstance(value, str) and fold_text(value):
                marks.append((key, fold_text(value)))
        for mark in marks:
            if mark in first_with:
                parent[find(index)] = find(first_with[mark])
            else:
                first_with[mark] = index
    numbers: dict[int, int] = {}
    return {document.id: numbers.setdefault(find(index), len(numbers)) for index, document in enumerate(documents)}


def grouping_fields(documents: Sequence[LabelledDocument], task: TaskSpec, largest: float = 0.1) -> tuple[str, ...]:
    """The fields whose shared value says that documents have one origin, as far as the data tell.

    Candidates are the single text fields, tried from the one that leaves the most groups; a field is taken while the
    largest group stays within the share ``largest`` of the documents. A merchant's name groups a shop's receipts; "two
    people" or "tomorrow" would put half of all bookings into one group.
    """
    candidates = [name for name, field in task.fields.items() if field.type == "text" and not field.many]

    def groups(*names: str) -> Counter[int]:
        return Counter(group_documents(documents, names).values())

    chosen: list[str] = []
    most = max(2.0, largest * len(documents))
    for name in sorted(candidates, key=lambda name: -len(groups(name))):
        if max(groups(*chosen, name).values()) <= most:
            chosen.append(name)
    return tuple(name for name in candidates if name in chosen)


def make_split(
    documents: Sequence[LabelledDocument], groups: Mapping[str, int], seed: int, sizes: SplitSizes | None = None
) -> dict[str, dict[str, str]]:
    """Divide documents into the five parts (see the module's docstring), reproducibly for one seed.

    Documents with the same text always go to one part. Returns part to ``{id: text digest}``.
    """
    sizes = sizes or SplitSizes()
    rng = random.Random(seed)
    total = len(documents)
    # Copies of one text move together, so that no part can leak into another.
    units: dict[str, list[LabelledDocument]] = defaultdict(list)
    for document in documents:
        units[document.text_digest].append(document)
    unit_group = {digest: groups[unit[0].id] for digest, unit in units.items()}
    group_size = Counter(groups[document.id] for document in documents)
    parts: dict[str, list[str]] = {}

    unseen: list[str] = []
    unseen_documents = 0
    largest = max(1.0, sizes.largest_unseen_group * total)
    candidates = sorted(group for group, size in group_size.items() if size <= largest)
    rng.shuffle(candidates)
    for group in candidates:
        if unseen_documents >= round(sizes.validation_unseen * total):
            break
        unseen += [digest for digest in units if unit_group[digest] == group]
        unseen_documents += group_size[group]
    parts["validation-unseen"] = unseen

    taken = set(unseen)
    rest = [digest for digest in units if digest not in taken]
    rng.shuffle(rest)
    for name, share in (("calibration", sizes.calibration), ("development", sizes.development)):
        wanted = round(share * total)
        parts[name], rest = rest[:wanted], rest[wanted:]

    left_in_group = Counter(unit_group[digest] for digest in rest)
    seen: list[str] = []
    for digest in rest:
        if len(seen) >= round(sizes.validation_seen * total):
            break
        if left_in_group[unit_group[digest]] > 1:
            seen.append(digest)
            left_in_group[unit_group[digest]] -= 1
    parts["validation-seen"] = seen
    kept = set(seen)
    parts["train"] = [digest for digest in rest if digest not in kept]

    order = {document.id: index for index, document in enumerate(documents)}
    names = ("train", "development", "calibration", "validation-seen", "validation-unseen")
    return {
        name: dict(
            sorted(
                ((document.id, digest) for digest in parts[name] for document in units[digest]),
                key=lambda pair: order[pair[0]],
            )
        )
        for name in names
    }
