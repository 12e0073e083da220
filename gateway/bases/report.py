"""Telling a person on standard error what a long fetch is doing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, NoReturn

from tqdm import tqdm

CHUNK = 1 << 20


@dataclass(frozen=True)
class Report:
    """Lines and progress bars on standard error; silent when not ``enabled``. Bars are drawn on terminals only."""

    enabled: bool = True

    @property
    def on_terminal(self) -> bool:
        return self.enabled and sys.stderr.isatty()

    def say(self, line: str) -> None:
        if self.enabled:
            print(line, file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[tqdm[NoReturn]]:
        """A bar that counts bytes."""
        with tqdm(
            desc=f"  {what}", total=total, initial=done, unit="B", unit_scale=True, disable=not self.on_terminal
        ) as bar:
            yield bar


def copy_bytes(source: IO[bytes], target: IO[bytes], limit: int, bar: tqdm[NoReturn]) -> None:
    """Copy at most ``limit`` bytes: what claims to be larger than its catalogue entry is not worth unpacking."""
    left = limit
    while left and (chunk := source.read(min(CHUNK, left))):
        target.write(chunk)
        bar.update(len(chunk))
        left -= len(chunk)
