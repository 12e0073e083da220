"""``cascade extract``: fields from text files, standard input or JSON Lines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from tqdm import tqdm

from gateway.cli.main import current_home
from gateway.cli.reading import JSON_LINES, STDIN, Item, is_json_lines, read_items
from gateway.cli.session import Session, open_session
from gateway.document import TIERS, Candidate, TierName
from gateway.engine import Request
from gateway.errors import CascadeError, TierUnavailable, UnknownTier
from gateway.evaluation.table import align
from gateway.extraction import Outcome
from gateway.task import TaskSpec


class Quality(click.FloatRange):
    """A quality target: from 0.5 to below 1."""

    def __init__(self) -> None:
        super().__init__(0.5, 1, max_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):  # lies in no range, but compares as outside of none
            self.fail(f"{value} is not a number.", param, ctx)
        return number


QUALITY = Quality()


@click.command()
@click.argument("task")
@click.argument("files", nargs=-1, metavar="[FILE ...|-]")
@click.option("--quality", type=QUALITY, help="Share of accepted answers that must be right. Default: the task's.")
@click.option("--tiers", metavar="TIER,...", help="Tiers that take part; a single one answers everything alone.")
@click.option(
    "--jsonl", is_flag=True, help=f"Read JSON Lines whatever the name; {' and '.join(JSON_LINES)} always are."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line, in the order of the input.")
@click.pass_context
def extract(
    context: click.Context,
    task: str,
    files: tuple[str, ...],
    quality: float | None,
    tiers: str | None,
    jsonl: bool,
    as_json: bool,
) -> None:
    """Extract the fields of TASK from FILEs: text files, JSON Lines with "text", or - for standard input.

    A document that cannot be read or answered does not stop the rest; the exit code is then 1.
    """
    if not files:
        if sys.stdin.isatty():
            raise click.UsageError("Missing FILE: name files, or - for standard input.")
        files = (STDIN,)
    home = current_home()
    allowed = parse_tiers(tiers, home.task(task))
    with open_session(home, task) as session:
        _check_available(session, allowed)
        failed = 0
        for item in _with_progress(read_items(files, jsonl=jsonl), files, jsonl):
            answer = _answer(session, item, quality, allowed)
            failed += isinstance(answer, CascadeError)
            _write(item.id, answer, as_json=as_json)
    if failed:
        context.exit(1)


def parse_tiers(text: str | None, task: TaskSpec) -> tuple[TierName, ...] | None:
    """The tiers of a comma-separated list, cheapest first; ``None`` (all of the task) for ``None``.

    Raises:
        UnknownTier: a name is no tier, or no tier of this task, or there is none.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in task.tiers:
            raise UnknownTier(f'task "{task.name}" has no tier {name!r}; it has {", ".join(task.tiers)}')
    if not names:
        raise UnknownTier(f'no tier named; task "{task.name}" has {", ".join(task.tiers)}')
    return tuple(tier for tier in TIERS if tier in names)


def _check_available(session: Session, allowed: tuple[TierName, ...] | None) -> None:
    unavailable = session.task.unavailable
    if allowed is not None and all(tier in unavailable for tier in allowed):
        raise TierUnavailable("; ".join(f"{tier}: {unavailable[tier]}" for tier in allowed))
    for tier in allowed or session.task.spec.tiers:
        if tier in unavailable:
            click.echo(f"note: answering without {tier}: {unavailable[tier]}", err=True)
    if allowed is None or "rules" in allowed:
        for note in session.task.rule_notes:
            click.echo(f"note: {note}", err=True)


def _with_progress(items: Iterable[Item], files: Sequence[str], jsonl: bool) -> Iterable[Item]:
    # Where results go to the terminal too, they are progress enough, and a bar would be drawn over them.
    silent = not sys.stderr.isatty() or sys.stdout.isatty()
    countable = not jsonl and not any(is_json_lines(name) for name in files)
    bar: Iterable[Item] = tqdm(items, total=len(files) if countable else None, unit=" documents", disable=silent)
    return bar


def _answer(
    session: Session, item: Item, quality: float | None, tiers: tuple[TierName, ...] | None
) -> Outcome | CascadeError:
    if item.document is None:
        return item.error or CascadeError("no document")
    alone = tiers is not None and len(tiers) == 1
    try:
        return session.extract(Request(item.document, quality=quality, tiers=tiers, alone=alone))
    except CascadeError as error:
        return error
    except Exception as error:  # noqa: BLE001  one document must not end the run; what happened is written in its place
        return CascadeError(f"{type(error).__name__}: {error}")


def _write(identifier: str, answer: Outcome | CascadeError, *, as_json: bool) -> None:
    if as_json:
        body = {"id": identifier, **answer.as_json()} if isinstance(answer, CascadeError) else answer.as_json()
        line = json.dumps(body, ensure_ascii=False) + "\n"
        # Bytes, so that the output is UTF-8 whatever the locale; flushed, so that an interruption loses no line.
        sys.stdout.buffer.write(line.encode("utf-8"))
        sys.stdout.buffer.flush()
    elif isinstance(answer, CascadeError):
        click.echo(f"{_printable(identifier)}: error[{answer.code}]: {_printable(answer.message)}", err=True)
    else:
        click.echo("\n".join(_table(identifier, answer)) + "\n")


def _table(identifier: str, outcome: Outcome) -> list[str]:
    extraction, cost = outcome.extraction, outcome.cost
    spent = f"{cost.amount:.3g} {cost.currency}"
    if cost.always_large is not None:
        spent += f" (always large: {cost.always_large:.3g})"
    tiers = "+".join(extraction.tiers) or "no tier"
    rows = [["field", "state", "confidence", "tier", "value"]]
    for name, result in extraction.fields.items():
        confidence = f"{result.confidence:.3f}" if result.present else ""
        rows.append([name, result.state, confidence, result.tier or "", _values(result.candidates)])
    heading = f"{_printable(identifier)}: {extraction.status}, {tiers}, {spent}"
    return [heading, *(f"  {line}" for line in align(rows, left=len(rows[0])))]


def _values(candidates: Sequence[Candidate]) -> str:
    return "; ".join(_printable(" ".join(candidate.value.split())) for candidate in candidates) or "–"


def _printable(text: str) -> str:
    """Text for a terminal: what would steer it is replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
