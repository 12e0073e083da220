"""Pieces of an HTML page. Everything that is not markup made here is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NewType

#: Text that is HTML already.
Markup = NewType("Markup", str)

#: Nothing is fetched from anywhere, and nothing runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #57606a; --line: #d0d7de; --band: #f6f8fa;
  --good: #1a7f37; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9198a1; --line: #30363d;
  --band: #161b22; --good: #3fb950; --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
p, li, figcaption { max-width: 46rem; }
nav ul { padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; }
a { color: inherit; text-underline-offset: .15em; }
:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.scroll { overflow-x: auto; margin: .75rem 0 1rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem; }
th, td { padding: .3rem .75rem .3rem 0; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child, .text { text-align: left; }
td.text { overflow-wrap: anywhere; min-width: 8ch; }
thead th { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .75rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption, .note { color: var(--soft); font-size: .9rem; }
pre { overflow-x: auto; padding: .75rem; background: var(--band); border: 1px solid var(--line); border-radius: 6px;
  font-size: .85rem; }
code { font-size: .9em; }
.good { color: var(--good); } .bad { color: var(--bad); }
@media print { body { max-width: none; } nav { display: none; } }
"""


def escape(value: Any) -> Markup:
    """Any value as text: markup in it is shown, not obeyed, and what UTF-8 cannot hold is replaced."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    shown = "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return Markup(html.escape(shown, quote=True))


def tag(name: str, *content: Markup, **attributes: str) -> Markup:
    """An element; ``class_`` stands for ``class``. Contents are markup, attributes are escaped."""
    rendered = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value
    )
    return Markup(f"<{name}{rendered}>{''.join(content)}</{name}>")


def join(parts: Sequence[Markup]) -> Markup:
    """Pieces one after another."""
    return Markup("\n".join(part for part in parts if part))


def paragraph(text: str, class_: str = "") -> Markup:
    """A paragraph of plain text."""
    return tag("p", escape(text), class_=class_)


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Any]], *, text: Sequence[int] = ()) -> Markup:
    """A table with a caption, whose first column heads its rows; nothing where there are no rows.

    Args:
        text: columns (counted from 0) that hold words, which begin at the left.
    """
    if not rows:
        return Markup("")
    headings = [
        tag("th", escape(cell), scope="col", class_="text" if index in text else "")
        for index, cell in enumerate(header)
    ]
    head = tag("thead", tag("tr", *headings))
    lines = []
    for row in rows:
        first, *rest = row
        cells = [tag("th", _cell(first), scope="row")]
        cells += [tag("td", _cell(cell), class_="text" if index in text else "") for index, cell in enumerate(rest, 1)]
        lines.append(tag("tr", *cells))
    whole = tag("table", tag("caption", escape(caption)), head, tag("tbody", *lines))
    # A region that scrolls must be reachable with the keyboard.
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(value: Any) -> Markup:
    return escape("–" if value is None else value)


def facts(pairs: Sequence[tuple[str, Any]]) -> Markup:
    """Names and values; those without a value are left out."""
    shown = [tag("dt", escape(name)) + tag("dd", escape(value)) for name, value in pairs if value not in (None, "")]
    return tag("dl", *(Markup(one) for one in shown)) if shown else Markup("")


def section(identifier: str, title: str, *content: Markup) -> Markup:
    """A part of the page; nothing where there is no content."""
    whole = join(content)
    if not whole:
        return Markup("")
    heading = tag("h2", escape(title), id=f"{identifier}-title")
    return tag("section", heading, Markup("\n"), whole, id=identifier, aria_labelledby=f"{identifier}-title")


def figure(svg: Markup | None, caption: str) -> Markup:
    """A drawing with what it shows in words; nothing where there is none."""
    if svg is None:
        return Markup("")
    return tag("figure", svg, tag("figcaption", escape(caption)))


def page(title: str, lead: Markup, sections: Sequence[tuple[str, str, Markup]]) -> str:
    """A whole page that needs no other file, no network and no script.

    Args:
        sections: identifier, title and content; those without content are left out.
    """
    kept = [(identifier, heading, content) for identifier, heading, content in sections if content]
    links = [tag("li", tag("a", escape(heading), href=f"#{identifier}")) for identifier, heading, _ in kept]
    body = join(
        [
            tag("header", tag("h1", escape(title)), lead),
            tag("nav", tag("ul", *links), aria_label="Contents"),
            tag("main", join([section(identifier, heading, content) for identifier, heading, content in kept])),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
