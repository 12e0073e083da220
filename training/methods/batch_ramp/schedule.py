"""Batch-size schedules in one line: how many micro-batches make an update, by how far the training is.

    schedule = stages | growth | slope
    stages   = SIZE { "," SIZE "at" POINT }              1, 2 at 30%, 4 at 2 epochs
    growth   = SIZE "x" FACTOR "every" POINT [ "up to" SIZE ]    1 x2 every 20% up to 8
    slope    = SIZE "to" SIZE "over" POINT               1 to 8 over 50%
    POINT    = NUMBER "%"  |  NUMBER ( "epoch" | "epochs" )

SIZE counts micro-batches of the recipe, POINT the data seen: percent of the whole training, or epochs of it. Spaces
between words do not matter, letter case neither.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from gateway.errors import ConfigurationError

_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|[A-Za-z]+|[,%]|\S)")
#: Updates of more micro-batches than this are a mistake in the line.
MOST = 65536


@dataclass(frozen=True)
class Point:
    """A moment of the training: a share of it, or a number of epochs."""

    value: float
    epochs: bool = False

    def share(self, epochs: int) -> float:
        """The share of a training of ``epochs`` epochs."""
        return self.value / epochs if self.epochs else self.value


@dataclass(frozen=True)
class Stages:
    """From each point on, so many micro-batches an update."""

    stages: tuple[tuple[Point, int], ...]

    def size(self, share: float, epochs: int) -> int:
        """The size when ``share`` of a training of ``epochs`` epochs is done."""
        size = self.stages[0][1]
        for point, following in self.stages[1:]:
            # A rounding error must not put off a stage to the next update.
            if share >= point.share(epochs) - 1e-12:
                size = following
        return size


@dataclass(frozen=True)
class Growth:
    """Multiplied by ``factor`` at every ``every``, up to ``most``."""

    first: int
    factor: float
    every: Point
    most: int

    def size(self, share: float, epochs: int) -> int:
        """The size when ``share`` of a training of ``epochs`` epochs is done."""
        times = math.floor(share / self.every.share(epochs) + 1e-9)
        # Compared as logarithms: a power may be too large for a float.
        if math.log(self.first) + times * math.log(self.factor) >= math.log(self.most):
            return self.most
        return min(self.most, round(self.first * self.factor**times))


@dataclass(frozen=True)
class Slope:
    """From ``first`` to ``last`` in equal steps, reached at ``over``."""

    first: int
    last: int
    over: Point

    def size(self, share: float, epochs: int) -> int:
        """The size when ``share`` of a training of ``epochs`` epochs is done."""
        part = min(1.0, share / self.over.share(epochs))
        return round(self.first + part * (self.last - self.first))


Schedule = Stages | Growth | Slope


class _Reader:
    def __init__(self, line: str) -> None:
        self.line = line
        self.tokens = [(match.group(1).lower(), match.start(1)) for match in _TOKEN.finditer(line.rstrip())]
        self.place = 0

    def fail(self, wanted: str) -> ConfigurationError:
        if self.place < len(self.tokens):
            text, column = self.tokens[self.place]
            found = f"{text!r} at column {column + 1}"
        else:
            found = "the end"
        return ConfigurationError(f"batch schedule {self.line.strip()!r}: expected {wanted}, found {found}")

    def peek(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        if self.peek() in words:
            self.place += 1
            return True
        return False

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.fail(f'"{word}"')

    def number(self, wanted: str) -> float:
        text = self.peek()
        if not text[:1].isdigit():
            raise self.fail(wanted)
        self.place += 1
        return float(text)

    def size(self) -> int:
        value = self.number("a number of micro-batches")
        if not (1 <= value <= MOST and value == int(value)):
            self.place -= 1
            raise self.fail(f"a whole number from 1 to {MOST}")
        return int(value)

    def point(self) -> Point:
        value = self.number("a point such as 30% or 2 epochs")
        if self.take("%"):
            if not 0 < value <= 100:
                self.place -= 2
                raise self.fail("a percentage above 0 and at most 100")
            return Point(value / 100)
        if not self.take("epoch", "epochs"):
            raise self.fail('"%" or "epochs"')
        if value <= 0:
            self.place -= 2
            raise self.fail("a number of epochs above 0")
        return Point(value, epochs=True)


def parse_schedule(line: str) -> Schedule:
    """The schedule that a line describes; the grammar stands at the top of this module.

    Raises:
        ConfigurationError: the line is no schedule; the message says what was expected where.
    """
    reader = _Reader(line)
    first = reader.size()
    schedule: Schedule
    if reader.take("x"):
        factor = reader.number("a factor")
        if factor <= 1:
            reader.place -= 1
            raise reader.fail("a factor above 1")
        reader.need("every")
        every, most = reader.point(), MOST
        if reader.take("up"):
            reader.need("to")
            most = reader.size()
            if most < first:
                reader.place -= 1
                raise reader.fail(f"at least the first size, {first}")
        schedule = Growth(first, factor, every, most)
    elif reader.take("to"):
        last = reader.size()
        reader.need("over")
        schedule = Slope(first, last, reader.point())
    else:
        stages = [(Point(0.0), first)]
        while reader.take(","):
            size = reader.size()
            reader.need("at")
            start = reader.place
            point = reader.point()
            before = stages[-1][0]
            if point.epochs == before.epochs and point.value <= before.value:
                reader.place = start
                raise reader.fail("a later point than the one before")
            stages.append((point, size))
        schedule = Stages(tuple(stages))
    if reader.peek():
        raise reader.fail('"," or the end' if isinstance(schedule, Stages) else "the end")
    return schedule
