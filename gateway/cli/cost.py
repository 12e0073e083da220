"""``cascade cost``: what the requests of a running gateway cost, and what the cascade saved."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict

import click
import httpx

from gateway.errors import MetricsUnavailable
from gateway.evaluation.table import align
from gateway.report.figures import Report, report
from gateway.report.samples import Samples
from gateway.report.words import headline, remarks, tables

_TIMEOUT = 30.0
_COLUMNS = 100


@click.command()
@click.option(
    "--url", default="http://127.0.0.1:8000", show_default=True, metavar="URL", help="Address of the running gateway."
)
@click.option(
    "--key",
    envvar="CASCADE_KEY",
    metavar="KEY",
    help="API key with the role admin, where keys are needed (CASCADE_KEY).",
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Go on, and show what happened within each so many seconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def cost(url: str, key: str | None, every: float | None, as_json: bool) -> None:
    """Show cost, savings and escalation of a running gateway.

    Figures are since the gateway's start, of all its workers; docs/dashboard.md defines them. With --every each block
    is what happened since the one before.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT) as client:
        before = _scrape(client)
        if every is None:
            _show(report(before), as_json)
            return
        while True:
            time.sleep(every)
            now = _scrape(client)
            _show(report(now.since(before)), as_json)
            before = now


def _scrape(client: httpx.Client) -> Samples:
    """The gateway's metrics now.

    Raises:
        MetricsUnavailable: it does not answer, or with something else.
    """
    try:
        response = client.get("/metrics")
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise MetricsUnavailable(f"{client.base_url} does not answer: {error}") from error
    if response.status_code != httpx.codes.OK:
        why = ""
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            why = ": it takes a key with the role admin (--key, or CASCADE_KEY)"
        raise MetricsUnavailable(f"{response.url} answered {response.status_code}{why}")
    samples = Samples.parse(response.text)
    if "cascade_build_info" not in samples.values:
        raise MetricsUnavailable(f"{response.url} is not a cascade gateway's")
    return samples


def _show(found: Report, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Report) -> Iterator[str]:
    yield from align(headline(found))
    for text in remarks(found):
        yield ""
        yield from textwrap.wrap(text, _COLUMNS)
    for table in tables(found):
        if len(table.rows) > 1:
            yield ""
            yield from align(table.rows, left=table.left)
    yield ""
