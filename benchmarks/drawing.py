"""Panels of a dashboard as one HTML page: our own drawing of what Grafana would show, for a picture in the docs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

CELL_WIDTH, CELL_HEIGHT = 50, 34
COLOURS = ("#3274d9", "#e0752d", "#56a64b", "#8f3bb8", "#e02f44", "#5794f2", "#b877d9", "#f2cc0c")
STYLE = """
body { margin: 0; background: #f4f5f5; font: 13px system-ui, "DejaVu Sans", sans-serif; color: #1f2430; }
.panel { position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #dcdde1; border-radius: 4px;
  padding: 8px 10px; overflow: hidden; }
h1 { font-size: 18px; margin: 0; position: absolute; left: 14px; top: 12px; }
h2 { position: absolute; font-size: 15px; margin: 0; } h3 { font-size: 13px; margin: 0 0 6px; font-weight: 600; }
.figures { display: flex; gap: 18px; flex-wrap: wrap; } .figure b { display: block; font-size: 25px; font-weight: 600; }
.figure span, .legend { color: #5d6470; font-size: 12px; } .good b { color: #2f8a3b; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid #e6e7ea; }
th { color: #5d6470; font-weight: 500; } .word { text-align: left; }
.bar { display: grid; grid-template-columns: 11em 1fr 4.5em; gap: 8px; align-items: center; margin: 7px 0; }
.bar i { display: block; height: 16px; background: #3274d9; } .bar u { background: #eceef2; text-decoration: none; }
.legend i { display: inline-block; width: 14px; height: 3px; margin: 0 5px 3px 14px; vertical-align: middle; }
"""

#: A query's legend and its result, as Prometheus answers it.
Answers = Sequence[tuple[str, Sequence[Mapping[str, Any]]]]


def page(title: str, panels: Sequence[tuple[Mapping[str, Any], Answers]]) -> tuple[str, int, int]:
    """HTML of the panels where their dashboard puts them, and its width and height in pixels."""
    top = 44
    height = top + max(p["gridPos"]["y"] + p["gridPos"]["h"] for p, _ in panels) * CELL_HEIGHT + 8
    parts = [f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><style>{STYLE}</style><h1>{escape(title)}</h1>']
    for panel, answers in panels:
        at = panel["gridPos"]
        left, above = at.get("x", 0) * CELL_WIDTH + 8, at["y"] * CELL_HEIGHT + top
        if panel["type"] == "row":
            parts.append(f'<h2 style="left:{left + 6}px;top:{above + 8}px">{escape(panel["title"])}</h2>')
            continue
        width, tall = at["w"] * CELL_WIDTH - 8, at["h"] * CELL_HEIGHT - 8
        body = "".join(_DRAWN[panel["type"]](panel, answers, width - 20, tall - 44))
        place = f"left:{left}px;top:{above}px;width:{width}px;height:{tall}px"
        parts.append(f'<div class="panel" style="{place}"><h3>{escape(panel["title"])}</h3>{body}</div>')
    return "".join(parts), 24 * CELL_WIDTH + 16, height


def _figures(panel: Mapping[str, Any], answers: Answers, _width: int, _height: int) -> Iterator[str]:
    yield '<div class="figures">'
    for legend, samples in answers:
        for sample in samples:
            value = float(sample["value"][1])
            good = ' class="figure good"' if "saved" in panel["title"].lower() and value > 0 else ' class="figure"'
            yield f"<div{good}><b>{_shown(value, _unit(panel))}</b><span>{escape(_named(legend, sample))}</span></div>"
    yield "</div>"


def _bars(panel: Mapping[str, Any], answers: Answers, _width: int, _height: int) -> Iterator[str]:
    for legend, samples in answers:
        for sample in sorted(samples, key=lambda each: _named(legend, each)):
            value = float(sample["value"][1])
            yield f'<div class="bar"><span>{escape(_named(legend, sample))}</span>'
            yield f'<u><i style="width:{100 * min(value, 1):.1f}%"></i></u>'
            yield f"<span>{_shown(value, _unit(panel))}</span></div>"


def _table(panel: Mapping[str, Any], answers: Answers, _width: int, _height: int) -> Iterator[str]:
    options = panel["transformations"][1]["options"]
    columns = sorted(options["indexByName"], key=options["indexByName"].get)
    labels = [name for name in columns if not name.startswith("Value #")]
    units = {o["matcher"]["options"]: o["properties"][0]["value"] for o in panel["fieldConfig"]["overrides"]}
    rows: dict[str, dict[str, str]] = {}
    for index, (_, samples) in enumerate(answers):
        column = f"Value #{chr(ord('A') + index)}"
        for sample in samples:
            # The merge of Grafana joins by common labels; with one currency the first label tells rows apart.
            row = rows.setdefault(sample["metric"].get(labels[0], ""), {})
            row.update({name: text for name, text in sample["metric"].items() if name in labels})
            row[column] = _shown(float(sample["value"][1]), units.get(options["renameByName"][column], "short"))
    cell = {name: ' class="word"' if name in labels else "" for name in columns}
    heads = "".join(f"<th{cell[name]}>{escape(options['renameByName'][name])}</th>" for name in columns)
    yield f"<table><tr>{heads}</tr>"
    for row in rows.values():
        yield "<tr>" + "".join(f"<td{cell[name]}>{escape(row.get(name, ''))}</td>" for name in columns) + "</tr>"
    yield "</table>"


def _lines(panel: Mapping[str, Any], answers: Answers, width: int, height: int) -> Iterator[str]:
    series = [
        (_named(legend, one), [(float(at), float(value)) for at, value in one["values"]])
        for legend, found in answers
        for one in found
    ]
    series = [(name, [point for point in points if math.isfinite(point[1])]) for name, points in series]
    series = [(name, points) for name, points in series if points]
    if not series:
        return
    stacked = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal"
    drawn = _stacked(series) if stacked else [(name, points, None) for name, points in series]
    moments = [at for _, points in series for at, _ in points]
    first, last = min(moments), max(moments)
    highest = max(value for _, points, _ in drawn for _, value in points) or 1.0
    room = height - 34

    def place(at: float, value: float) -> str:
        across = 64 + (width - 68) * (at - first) / max(last - first, 1)
        return f"{across:.1f},{6 + (room - 8) * (1 - value / highest):.1f}"

    yield f'<svg width="{width}" height="{room + 6}" role="img">'
    for part in (0.0, 0.5, 1.0):
        y = 6 + (room - 8) * (1 - part)
        yield f'<line x1="64" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e5e9"/>'
        yield f'<text x="60" y="{y + 4:.1f}" text-anchor="end" font-size="11" fill="#5d6470">'
        yield f"{_shown(part * highest, _unit(panel))}</text>"
    for index, (_, points, below) in enumerate(drawn):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(place(at, value) for at, value in points)
        if below is not None:
            floor = " ".join(place(at, below[at]) for at, _ in reversed(points))
            yield f'<polygon points="{path} {floor}" fill="{colour}" fill-opacity=".35"/>'
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    yield '</svg><div class="legend">'
    for index, (name, _, _) in enumerate(drawn):
        yield f'<i style="background:{COLOURS[index % len(COLOURS)]}"></i>{escape(name)}'
    yield "</div>"


def _stacked(
    series: Sequence[tuple[str, list[tuple[float, float]]]],
) -> list[tuple[str, list[tuple[float, float]], dict[float, float]]]:
    heights: dict[float, float] = {}
    drawn = []
    for name, points in series:
        below = {at: heights.get(at, 0.0) for at, _ in points}
        raised = [(at, below[at] + value) for at, value in points]
        heights.update(raised)
        drawn.append((name, raised, below))
    return drawn


def _unit(panel: Mapping[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"].get("unit", "short"))


def _shown(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return ""
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _named(legend: str, sample: Mapping[str, Any]) -> str:
    for name, value in sample["metric"].items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


_DRAWN = {"stat": _figures, "bargauge": _bars, "table": _table, "timeseries": _lines}
