"""Figures of a run as SVG to be put into a page: drawn with matplotlib, in the page's own text colour."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.evaluation.figures import can_draw
from training.report.html import Markup, escape

#: Stands for the page's text colour while a figure is drawn.
_INK = "#010203"
#: Colours that are told apart on white and on black, and by people who see few colours (Okabe and Ito 2008).
_COLOURS = {"large": "#d55e00", "student": "#0072b2", "rules": "#009e73", "cascade": "#cc79a7", "other": "#7a8a99"}
_SETTINGS: Any = {
    "svg.hashsalt": "cascade",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar sign in a field's name is a dollar sign
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.labelcolor": _INK,
    "legend.framealpha": 0.0,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

_DECADE = 10.0
#: Diagrams side by side.
_ACROSS = 4
_MARKERS = {"tier": "s", "oracle": "*", "target": "o"}

Series = Sequence[tuple[float, float]]


def _draw(
    name: str, axes: int, size: tuple[float, float], label: str, fill: Callable[[list[Any]], None]
) -> Markup | None:
    """Some axes, filled by ``fill``, as an element for a page that ``label`` describes; its ids begin with
    ``name``, so that they are unlike those of other figures. ``None`` without matplotlib."""
    if not can_draw():
        return None
    # The object interface: no window system, and no state shared between figures.
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    stream = io.StringIO()
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the measuring font lacks
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        columns = min(axes, _ACROSS)
        found = list(figure.subplots(-(-axes // columns), columns, squeeze=False).flat)
        for spare in found[axes:]:
            spare.set_visible(False)
        fill(found[:axes])
        figure.savefig(stream, format="svg", metadata=_METADATA)
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', drawn)
    drawn = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", drawn)
    drawn = drawn.replace(_INK, "currentColor")
    return Markup(drawn.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def training_curves(loss: Mapping[str, Series], f1: Mapping[str, Series]) -> Markup | None:
    """Loss, and F1 on the development part (0 to 100), after every epoch; one line a model."""
    parts = [("training loss", loss), ("development F1, %", f1)]
    parts = [(title, found) for title, found in parts if any(found.values())]
    if not parts:
        return None

    def fill(all_axes: list[Any]) -> None:
        for axes, (title, found) in zip(all_axes, parts, strict=True):
            for name, points in found.items():
                if points:
                    axes.plot(*zip(*points, strict=True), "o-", markersize=3, color=_colour(name), label=name)
            axes.set_xlabel("epoch")
            axes.set_title(title, fontsize=9)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
        if parts[0][1] is loss:
            all_axes[0].set_yscale("log")
            _in_figures(all_axes[0].yaxis)

    return _draw("curves", len(parts), (4.2 * len(parts), 3.0), "Training loss and development F1 by epoch", fill)


def reliability_diagrams(found: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Stated probability against the share that was right, one diagram for each ``name``."""
    if not found:
        return None

    def fill(all_axes: list[Any]) -> None:
        for axes, one in zip(all_axes, found, strict=True):
            bins = one["bins"]
            colour = _colour(str(one["name"]).split(" ")[0])
            axes.plot([0, 1], [0, 1], ":", color=_COLOURS["other"])
            for each in bins:
                axes.plot([each["confidence"]] * 2, [each["low"], each["high"]], "-", color=colour, alpha=0.5)
            stated, right = [each["confidence"] for each in bins], [each["right"] for each in bins]
            axes.plot(stated, right, "o-", markersize=3, color=colour)
            axes.set_title(f"{one['name']}\nECE {100 * one['error']:.1f} %", fontsize=8)
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(-0.02, 1.02)
            axes.set_xlabel("stated")
        for axes in all_axes[::_ACROSS]:
            axes.set_ylabel("share right")

    label = "Stated probability against the share of answers that were right"
    size = (2.6 * max(2, min(len(found), _ACROSS)), 2.6 * -(-len(found) // _ACROSS))
    return _draw("reliability", len(found), size, label, fill)


def cost_curve(points: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Cost relative to the large tier against what is right, and against what is wrong among accepted values."""
    if not points:
        return None
    sides = (("right_share", "right answers, %"), ("selective_error", "wrong among accepted values, %"))

    def fill(all_axes: list[Any]) -> None:
        for axes, (key, title) in zip(all_axes, sides, strict=True):
            known = [(one, one["cost"], 100 * one[key]) for one in points if one.get(key) is not None]
            swept = [(cost, height) for one, cost, height in known if one["kind"] == "threshold"]
            if swept:
                axes.plot(*zip(*swept, strict=True), "-", color=_COLOURS["other"], label="one hand-set threshold")
                axes.legend(fontsize=7)
            for one, cost, height in known:
                if one["kind"] == "threshold":
                    continue
                filled = "none" if one["kind"] == "target" and not one["certified"] else "full"
                colour = _colour({"target": "cascade", "oracle": "other"}.get(one["kind"], str(one["name"])))
                axes.plot(cost, height, _MARKERS.get(one["kind"], "o"), color=colour, fillstyle=filled)
                axes.annotate(str(one["name"]), (cost, height), xytext=(4, 4), textcoords="offset points", fontsize=7)
            axes.set_xscale("symlog", linthresh=0.01)
            _in_figures(axes.xaxis)
            axes.set_xlabel("cost, large tier alone = 1")
            axes.set_title(title, fontsize=9)
            axes.grid(alpha=0.3)

    return _draw("cost", 2, (8.4, 3.4), "Cost against quality of tiers, cascade and oracle", fill)


def intervals(rows: Sequence[tuple[str, str, float, float, float]], title: str) -> Markup | None:
    """Shares with their intervals, shown in percent: label, system, value, low and high of each."""
    if not rows:
        return None

    def fill(all_axes: list[Any]) -> None:
        [axes] = all_axes
        for place, (_, system, value, low, high) in enumerate(reversed(rows)):
            axes.plot([100 * low, 100 * high], [place, place], "-", color=_colour(system))
            axes.plot(100 * value, place, "o", color=_colour(system))
        axes.set_yticks(range(len(rows)), [label for label, *_ in reversed(rows)])
        axes.set_xlabel(title)
        axes.grid(axis="x", alpha=0.3)

    return _draw("intervals", 1, (6.4, 0.6 + 0.27 * len(rows)), title, fill)


def bars(rows: Sequence[tuple[str, float]], title: str) -> Markup | None:
    """Lengths of time or the like, one bar a row."""
    if not rows:
        return None

    def fill(all_axes: list[Any]) -> None:
        [axes] = all_axes
        names, values = zip(*reversed(rows), strict=True)
        axes.barh(range(len(rows)), values, color=_COLOURS["student"], height=0.6)
        axes.set_yticks(range(len(rows)), names)
        axes.set_xlabel(title)
        axes.grid(axis="x", alpha=0.3)

    return _draw("bars", 1, (6.4, 0.7 + 0.27 * len(rows)), title, fill)


def _in_figures(axis: Any) -> None:
    """Label a logarithmic axis with numbers as people write them."""
    axis.set_major_formatter("{x:g}")
    low, high = axis.get_data_interval()
    # Within one power of ten there is perhaps no major tick; over several ones minor labels would overlap.
    axis.set_minor_formatter("{x:g}" if 0 < low <= high < _DECADE * low else "")


def _colour(name: str) -> str:
    return _COLOURS.get(name, _COLOURS["cascade" if name == "all" else "other"])
