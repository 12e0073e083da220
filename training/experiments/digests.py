"""What decides a run's result, as digests: so that runs of different settings, data or code are never mixed."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from training.families import Family
from training.identity import identity
from training.loop import LoopSettings
from training.run import fingerprint

_ROOT = Path(__file__).resolve().parents[2]
#: Code that decides results, files and folders. What jobs choose stands in their rows; tables and cards decide nothing.
SOURCES = (
    "gateway/evaluation/metrics.py",
    "gateway/tiers/decode.py",
    "gateway/tiers/encoding.py",
    "gateway/tiers/forms.py",
    "gateway/tiers/large/network.py",
    "training/data/align.py",
    "training/data/select",
    "training/data/split.py",
    "training/examples.py",
    "training/experiments/material.py",
    "training/experiments/plateau.py",
    "training/experiments/running.py",
    "training/experiments/scoring.py",
    "training/families",
    "training/forms.py",
    "training/loop.py",
    "training/losses.py",
    "training/methods",
    "training/teacher.py",
)
#: Characters of a digest in a row.
LENGTH = 16


def short(*parts: Any) -> str:
    """A digest of anything JSON can hold."""
    return fingerprint(*parts)[:LENGTH]


def plain(value: Any) -> Any:
    """Dataclasses, mappings and sets as what JSON can hold, in an order that is the same in every process."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def exact(family: Family, loop: LoopSettings) -> str:
    """A digest of everything that a family's definition and the loop's settings say, but for the seed."""
    settings = identity(loop)
    del settings["seed"]
    return short(asdict(family), settings)


@cache
def code_digest(sources: Sequence[str] = SOURCES, root: Path = _ROOT) -> str:
    """A digest of the code that decides results. Comments, docstrings and layout do not count."""
    found = []
    for source in sources:
        path = root / source
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        found += [(str(file.relative_to(root)), meaning(file.read_text("utf-8"))) for file in files]
    return short(found)


def meaning(text: str) -> str:
    """A module's code without comments, docstrings and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                body[0] = ast.Pass()
    return ast.dump(tree)
