"""``GET /cost``: the figures of ``cascade cost`` as a page, without scripts and without anything from elsewhere."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from gateway.errors import NotFound
from gateway.report.figures import Report, report
from gateway.report.samples import Samples
from gateway.report.words import DEFINITIONS, NOTHING, headline, remarks, since, tables
from gateway.telemetry.metrics import Metrics

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: light-dark(#1a1a1a, #e8e8e8); background: light-dark(#fff, #16181c); }
h1 { font-size: 1.4rem; } h2, caption { font-size: 1.1rem; font-weight: 600; text-align: left; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1rem; margin: 1rem 0 2rem; }
dl div { border: 1px solid light-dark(#ccd, #444a55); border-radius: .5rem; padding: .6rem .9rem; }
dt { color: light-dark(#555, #aab); font-size: .9rem; } dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
dd { overflow-wrap: anywhere; } .words dd { font-size: 1rem; font-weight: inherit; }
a { color: light-dark(#0645ad, #8ab4f8); }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 0 0 2rem; min-width: 60%; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid light-dark(#ccd, #444a55); text-align: right; }
.word { text-align: left; font-weight: inherit; } thead th { font-weight: 600; vertical-align: bottom; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; font-size: 15px; } th, td { padding-right: .6rem; }
  dl { grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .5rem; } dd { font-size: 1.1rem; }
  .words { grid-template-columns: 1fr; }
}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: The page may load nothing and run nothing; only its own style counts.
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

router = APIRouter()


@router.get("/cost", summary="What requests cost, as a page", tags=["operation"], response_class=HTMLResponse)
async def cost(request: Request) -> Response:
    """The figures of `cascade cost`, of all workers since the start. Who may read `/metrics` may read this."""
    metrics: Metrics = request.app.state.service.metrics
    if not metrics.enabled:
        raise NotFound("metrics are off (CASCADE_METRICS), and so are the figures made from them")
    body, _ = await metrics.scrape()
    page = await asyncio.to_thread(lambda: render(report(Samples.parse(body.decode()))))
    return HTMLResponse(page, headers=HEADERS)


def render(found: Report) -> str:
    """The page."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Report) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>What requests cost</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>"
    yield "<h1>What requests cost</h1>"
    yield f"<p>Of all workers, since {escape(since(found))}. Load the page again for newer figures. "
    yield '<a href="#words">What the figures mean</a> stands below.</p>'
    yield "<dl>"
    yield from _terms(headline(found))
    yield "</dl>"
    yield from (f"<p>{escape(text)}</p>" for text in remarks(found))
    for table in tables(found):
        yield f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        yield f"<table><caption>{escape(table.title)}</caption>"
        heading, *rows = table.rows
        yield f"<thead><tr>{_cells(heading, table.left, heading=True)}</tr></thead>"
        yield "<tbody>"
        yield from (f"<tr>{_cells(row, table.left)}</tr>" for row in rows)
        if not rows:
            yield f'<tr><td class="word" colspan="{len(heading)}">{NOTHING} no requests yet</td></tr>'
        yield "</tbody></table></div>"
    yield '<h2 id="words">What the figures mean</h2>\n<dl class="words">'
    yield from _terms(DEFINITIONS)
    yield "</dl>"
    yield "<p>docs/dashboard.md and docs/cost.md of the gateway define every figure.</p>"
    yield "</main>\n</body>\n</html>"


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)


def _cells(row: Sequence[str], left: int, *, heading: bool = False) -> str:
    def cell(column: int, text: str) -> str:
        word = ' class="word"' if column < left else ""
        if heading:
            return f'<th scope="col"{word}>{escape(text)}</th>'
        return f'<th scope="row"{word}>{escape(text)}</th>' if column == 0 else f"<td{word}>{escape(text)}</td>"

    return "".join(cell(column, text) for column, text in enumerate(row))
