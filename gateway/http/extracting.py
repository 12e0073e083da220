"""From a request's body to what the engine is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from gateway.document import Document, TierName
from gateway.engine import LoadedTask, Request
from gateway.errors import EmptyText, InvalidRequest, TextTooLong, UnknownTask, UnknownTier
from gateway.extraction import tiers_up_to
from gateway.http.errors import invalid_request
from gateway.http.schemas import MOST_KEYS, MOST_LINES, ExtractRequest


def parse_request(value: Any) -> ExtractRequest:
    """Check a decoded body.

    Raises:
        InvalidRequest: naming each key that is wrong.
    """
    check_keys(value)
    for number, line in enumerate(_list(value, "lines")[:MOST_LINES]):
        check_keys(line, f"lines.{number}")
    try:
        return ExtractRequest.model_validate(value)
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False, include_input=False)) from None


def check_keys(value: Any, key: str = "") -> None:
    """Refuse an object with far too many keys before each of them is refused by itself.

    Raises:
        InvalidRequest: saying which object, where it is not the whole request.
    """
    if isinstance(value, dict) and len(value) > MOST_KEYS:
        problem = f"has more than {MOST_KEYS} keys"
        problems = {"problems": [{"key": key, "problem": problem}]}
        raise InvalidRequest(f"{key or 'the request'}: {problem}", detail=problems)


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def find_task(tasks: Mapping[str, LoadedTask], name: str) -> LoadedTask:
    """A task by name.

    Raises:
        UnknownTask: naming the tasks there are.
    """
    if name not in tasks:
        known = ", ".join(tasks) or "none"
        raise UnknownTask(f"no task {name[:100]!r}; there are: {known}", detail={"tasks": list(tasks)})
    return tasks[name]


def check_text(text: str, limit: int) -> None:
    """Refuse a text that holds nothing, or more than ``limit`` code points.

    Raises:
        EmptyText, TextTooLong
    """
    if len(text) > limit:
        raise TextTooLong(f"the text has {len(text)} characters, more than {limit}", detail={"limit": limit})
    if not text or text.isspace():
        raise EmptyText("the text is empty or only white space")


def engine_request(
    task: LoadedTask, asked: ExtractRequest, limit: float, elapsed: float, *, refusable: bool = False
) -> Request:
    """The engine's request; its deadline is ``limit`` seconds or what it asks for, whichever is less, of which
    ``elapsed`` have gone by already.

    Raises:
        UnknownTier: ``max_tier`` is no tier.
    """
    document = Document(
        asked.text,
        id=asked.id,
        context=asked.context,
        lines=asked.lines,
        reference_date=asked.reference_date,
        locale=asked.locale,
    )
    return Request(
        document,
        fields=None if asked.fields is None else tuple(asked.fields),
        quality=asked.quality,
        tiers=None if asked.max_tier is None else tiers_up_to(task.spec.tiers, _tier(asked.max_tier)),
        strict_quality=asked.strict_quality,
        budget=asked.budget,
        deadline=(limit if asked.deadline_ms is None else min(limit, asked.deadline_ms / 1000)) - elapsed,
        refusable=refusable,
    )


def _tier(name: str) -> TierName:
    tiers: tuple[TierName, ...] = get_args(TierName)
    for tier in tiers:
        if tier == name:
            return tier
    raise UnknownTier(f"no tier {name[:100]!r}; there are: {', '.join(tiers)}", detail={"tiers": list(tiers)})
