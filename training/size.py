"""The student's size: which family ``student.size`` of a recipe asks for.

============================  ==========================================================================================
``""``                        no family: the first ``student.layers`` layers of the base
``narrow-4x256`` (a name)     that family
``latency=3 parameters=5e6``  the family with the most capacity that takes at most 3 ms a text here, or has at most that
                              many parameters, or both; ``tokens=128`` says how long that text is
``auto within=1%``            the smallest transformer whose loss on the task's tokens, as a scaling law fitted to this
                              task predicts it, is at most that much above the default student's (1 % unless said);
                              where no points of the task were measured, ``DEFAULT``
============================  ==========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from training.families import FAMILIES, Family, base_shape, choose, find_family
from training.families.catalogue import Shape
from training.families.choosing import TOKENS
from training.methods.options import Options
from training.scaling.allocate import smallest_size
from training.scaling.fit import fit
from training.scaling.points import read_points

AUTO = "auto"
#: What ``auto`` takes where nothing was measured: half of the base, which starts from all of its widths.
DEFAULT = "truncated-3"
#: With fewer measured runs five constants cannot be fitted.
LEAST_POINTS = 8
#: How much more loss than the default student's ``auto`` takes for a smaller one: less than seeds differ by.
WITHIN = 0.01


@dataclass(frozen=True)
class Size:
    """What a recipe asks for: ``family``, or limits (milliseconds, tokens of the text that is timed, parameters), or,
    where there is nothing at all, ``layers``. ``within``: the share of loss that ``auto`` may give away."""

    family: str = ""
    latency: float | None = None
    tokens: int = TOKENS
    parameters: int | None = None
    within: float = WITHIN

    @property
    def limited(self) -> bool:
        return self.latency is not None or self.parameters is not None


def parse_size(line: str) -> Size:
    """What ``student.size`` asks for.

    Raises:
        ConfigurationError: it is none of the forms above.
    """
    words = line.split()
    if not words:
        return Size()
    if len(words) == 1 and "=" not in line:
        if line != AUTO and line not in FAMILIES:
            raise ConfigurationError(
                f"there is no size {line!r}; there are: {AUTO}, latency=MS, parameters=N, {', '.join(FAMILIES)}"
            )
        return Size(line)
    if words[0] == AUTO:
        options = Options(f"size {AUTO}", words[1:])
        within = options.number("within", WITHIN, 0, 1)
        options.done()
        return Size(AUTO, within=within)
    options = Options("size", words)
    latency = options.number("latency", 0.0, 0.01, 1e5)
    parameters = options.number("parameters", 0.0, 1, 1e12)
    tokens = options.integer("tokens", TOKENS, 3, 512)
    options.done()
    return Size("", latency or None, tokens, int(parameters) or None)


def points_of(task: str) -> Path | None:
    """The measured runs of a task that this project keeps, from which ``auto`` predicts; ``None`` where it has none."""
    path = Path(__file__).parent / "results" / f"scaling-{task}.csv"
    return path if path.is_file() else None


def resolve_size(
    size: Size,
    base: Path,
    fields: int,
    *,
    tokens: float,
    layers: int,
    pieces: int | None = None,
    points: Path | None = None,
    cache: Path | None = None,
) -> tuple[str, dict[str, Any]]:
    """The family, and why: plain values for the report. The empty name stands for ``layers``.

    Args:
        base: the base's directory.
        fields: the number of fields.
        tokens: training tokens, those of all epochs together.
        layers: of the default student, whose predicted loss is what ``auto`` must come near.
        pieces: word pieces that a family with only those seen would have.
        points: measured runs (CSV) of this task.
        cache: a directory that keeps latencies.

    Raises:
        ConfigurationError: nothing stays within the limits, or the base is too small.
    """
    if not size.family and not size.limited:
        return "", {}
    shape = base_shape(base)
    found: dict[str, Any] = {}
    if size.limited:
        name = choose(
            parameters_at_most=size.parameters,
            latency_ms=size.latency,
            tokens=size.tokens,
            fields=fields,
            base=shape,
            pieces=pieces,
            cache=cache,
        )
        found["limits"] = {"milliseconds": size.latency, "tokens": size.tokens, "parameters": size.parameters}
    elif size.family == AUTO:
        sizes = {
            family.name: _computing(family, shape, pieces if family.pieces == "seen" else None, fields)
            for family in FAMILIES.values()
            # The law is fitted to transformers: convolutions of as many parameters are another kind.
            if family.kind == "transformer" and family.fits(shape)
        }
        if not sizes:
            raise ConfigurationError("size auto: no student family can start from a base that is so small")
        measured = None if points is None else read_points(points)
        wanted = f"truncated-{layers}" if f"truncated-{layers}" in sizes else DEFAULT
        default = wanted if wanted in sizes else max(sizes, key=lambda one: sizes[one])
        if measured is None or len(measured) < LEAST_POINTS:
            name = DEFAULT if DEFAULT in sizes else default
            found["auto"] = "no measured runs of this task: the stated default"
        else:
            law = fit(measured).law
            name, allocation = smallest_size(law, sizes, tokens, default, size.within)
            found["auto"] = (
                f"the smallest with a predicted loss at most {size.within:.0%} above that of {default}, for"
                f" {tokens:.3g} tokens"
            )
            found["predicted_loss"] = round(allocation.loss, 5)
            found["predicted_loss_of_default"] = round(float(law.loss(sizes[default], tokens)), 5)
            found["law"] = law.as_json()
    else:
        name = size.family
    family = find_family(name)
    return name, {
        "family": name,
        "parameters": family.count(shape, pieces=pieces if family.pieces == "seen" else None, fields=fields),
        **found,
    }


def _computing(family: Family, base: Shape, pieces: int | None, fields: int) -> float:
    """Parameters but for tables, in which tokens are only looked up: the N of a scaling law and of its points."""
    own = family.shape(base, pieces)
    return float(family.count(base, pieces=pieces, fields=fields) - (own.pieces + own.positions) * own.width)
