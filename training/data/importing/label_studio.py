"""Label Studio's JSON export: tasks with their annotations of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.document import Span
from training.data.importing.offsets import Malformed, identifier_of
from training.data.importing.options import ImportOptions
from training.data.importing.reading import read_records
from training.data.importing.records import Entity, Record, Skipped, bad, from_entities

#: Keys of a region that name its labels: that of its control tag in lower case.
_LABEL_KEYS = ("labels", "hypertextlabels", "paragraphlabels", "taxonomy")


class _Elsewhere(ValueError):
    """A region does not hold the text that it says it holds."""


def read_label_studio(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The tasks of an export in JSON (``annotations`` with ``result``) or JSON-MIN (regions beside the text).

    Of several annotations of one task the last that was not cancelled is taken. The editor counts UTF-16 units, other
    writers code points: which of them a task means is seen from the text that its regions repeat.

    Raises:
        DatasetError: a task has another form; the message names it.
    """
    for where, raw in read_records(source, options.encoding):
        try:
            yield _task(where, raw)
        except Malformed as error:
            raise bad(Path(where), str(error)) from error


def _task(where: str, raw: Any) -> Record | Skipped:
    if not isinstance(raw, dict):
        raise Malformed(f"expected a task, found {type(raw).__name__}")
    inner = raw.get("data")
    data = inner if isinstance(inner, dict) else raw
    annotations = next((raw[key] for key in ("annotations", "completions") if isinstance(raw.get(key), list)), None)
    if annotations is None:
        # JSON-MIN: what a control tag has marked stands beside the text, under the tag's name.
        regions = [item for value in raw.values() if _is_regions(value) for item in value]
        if not regions and not any(value == [] for value in raw.values()):
            return Skipped(where, "no-labels", "the task has no annotation")
        results = [{"value": item} for item in regions]
    else:
        kept = [item for item in annotations if isinstance(item, dict) and not item.get("was_cancelled")]
        if not kept:
            return Skipped(where, "no-labels", "the task has no annotation that was not cancelled")
        results = kept[-1].get("result", [])
        if not isinstance(results, list):
            raise Malformed('expected a list as the "result" of an annotation')
    text = _text_of(data)
    if text is None:
        raise Malformed('its data has no text: expected a string under "text", or one string alone')
    try:
        entities = _entities(results, text)
    except _Elsewhere as error:
        return Skipped(where, "bad-span", str(error))
    return from_entities(where, text, entities, identifier=identifier_of(raw))


def _is_regions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "start" in item for item in value)


def _text_of(data: Mapping[str, Any]) -> str | None:
    if isinstance(data.get("text"), str):
        return str(data["text"])
    strings = [value for value in data.values() if isinstance(value, str)]
    return strings[0] if len(strings) == 1 else None


def _entities(results: Sequence[Any], text: str) -> list[Entity]:
    regions: list[tuple[Sequence[str], Span, str | None]] = []
    for number, result in enumerate(results, 1):
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            raise Malformed(f"region {number} has no value")
        labels = next((value[key] for key in _LABEL_KEYS if isinstance(value.get(key), list)), None)
        if labels is None or "start" not in value:
            continue  # choices, ratings and other answers that mark no text
        start, end = value["start"], value.get("end")
        if type(start) is not int or type(end) is not int or not all(isinstance(label, str) for label in labels):
            raise Malformed(f"region {number} has no whole numbers for start and end, or no labels")
        regions.append((labels, (start, end), value["text"] if isinstance(value.get("text"), str) else None))
    offsets = _code_points(text)
    readings = [[span for _, span, _ in regions]]
    if offsets is not None:
        readings.append([(offsets.get(start, -1), offsets.get(end, -1)) for _, (start, end), _ in regions])
    for spans in readings:
        if all(
            said is None or _same(text[slice(*span)], said) for (_, _, said), span in zip(regions, spans, strict=True)
        ):
            return [
                Entity(label, *span) for (labels, _, _), span in zip(regions, spans, strict=True) for label in labels
            ]
    wrong = next(
        (said, span) for (_, span, said) in regions if said is not None and not _same(text[slice(*span)], said)
    )
    raise _Elsewhere(f"{wrong[0][:60]!r} should stand at {wrong[1][0]} to {wrong[1][1]}")


def _same(found: str, said: str) -> bool:
    # The editor writes line breaks inside a region as the two characters \n.
    return found.split() == said.replace("\\n", "\n").split()


def _code_points(text: str) -> dict[int, int] | None:
    """Offset in UTF-16 units to offset in code points; ``None`` where they are the same."""
    if all(char < "\U00010000" for char in text):
        return None
    offsets: dict[int, int] = {}
    units = 0
    for number, char in enumerate(text):
        offsets[units] = number
        units += 1 + (char >= "\U00010000")
    offsets[units] = len(text)
    return offsets
