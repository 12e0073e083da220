"""Figures as SVG files, drawn with matplotlib where it is installed (extra ``train``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.files import replacing

if TYPE_CHECKING:
    from gateway.evaluation.curve import Point
    from gateway.evaluation.reliability import Reliability

#: What to say where it is not.
NO_FIGURES = "figures are not drawn: matplotlib is not installed (pip install 'cascade-gateway[train]')"
_COLOURS = {"tier": "#555555", "threshold": "#9ecae1", "target": "#e6550d", "oracle": "#31a354"}


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_curve(path: Path, points: Sequence[Point], title: str) -> Path | None:
    """Cost against the share of right answers and against what is wrong among accepted; ``None`` without matplotlib."""
    if not can_draw():
        return None
    figure, (left, right) = _subplots(2, (11, 4.2))

    def right_share(point: Point) -> float | None:
        return point.tally.right_share

    def selective_error(point: Point) -> float | None:
        return point.tally.selective_error

    swept = [point for point in points if point.kind == "threshold"]
    for axes, value in ((left, right_share), (right, selective_error)):
        shown = [(point.tally.cost, 100 * of) for point in swept if (of := value(point)) is not None]
        axes.plot(*zip(*shown, strict=True), "-", color=_COLOURS["threshold"], label="cascade, one hand-set threshold")
        for kind, marker in (("tier", "s"), ("oracle", "*"), ("target", "o")):
            for point in points:
                height = value(point)
                if point.kind != kind or height is None:
                    continue
                style = "full" if kind != "target" or point.certified else "none"
                place = (point.tally.cost, 100 * height)
                axes.plot(*place, marker, color=_COLOURS[kind], fillstyle=style)
                axes.annotate(point.name, place, xytext=(4, 4), textcoords="offset points", fontsize=8)
        axes.set_xlabel("cost relative to the large tier on every document")
        axes.set_xscale("symlog", linthresh=0.01)
        axes.grid(alpha=0.3)
    left.set_ylabel("right answers, % (best candidate)")
    right.set_ylabel("wrong among accepted values, %")
    left.legend(loc="lower right", fontsize=8)
    figure.suptitle(f"{title}: filled circles are certified targets, open ones are not", fontsize=10)
    return _save(figure, path)


def draw_reliability(path: Path, found: Sequence[Reliability], title: str) -> Path | None:
    """Reliability diagrams: stated probability against the share that was right; ``None`` without matplotlib."""
    if not can_draw() or not found:
        return None
    figure, axes = _subplots(len(found), (3.6 * len(found), 3.8))
    for diagram, one in zip(axes, found, strict=True):
        diagram.plot([0, 1], [0, 1], ":", color="#888888")
        bins = [bin_ for bin_ in one.bins if bin_.count]
        diagram.plot([b.confidence for b in bins], [b.right for b in bins], "o-", color="#e6550d")
        for bin_ in bins:
            diagram.plot([bin_.confidence] * 2, [bin_.low, bin_.high], "-", color="#e6550d", alpha=0.4)
            diagram.annotate(
                str(bin_.count), (bin_.confidence, bin_.right), xytext=(3, -10), textcoords="offset points", fontsize=7
            )
        diagram.set_title(f"{one.name}\nECE {100 * one.error:.1f} %, n = {one.count}", fontsize=9)
        diagram.set_xlabel("stated probability")
        diagram.set_xlim(0, 1.02)
        diagram.set_ylim(0, 1.02)
    axes[0].set_ylabel("share right")
    figure.suptitle(title, fontsize=10)
    return _save(figure, path)


def _subplots(columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    # The object interface: no window system, and no state shared between figures.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _save(figure: Any, path: Path) -> Path:
    import matplotlib

    # The same data gives the same file: no date, and ids from a fixed salt.
    with replacing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "cascade"}):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    return path
