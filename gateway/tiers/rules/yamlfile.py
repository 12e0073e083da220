"""YAML files that people write, read within bounds, with the line and column of every part.

A file may be hostile: what it may weigh, how deep it may nest and how far its aliases may unfold are checked on the
stream of events, before anything is built from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from gateway.tiers.rules.yaml_advice import yaml_advice

MAX_FILE_BYTES = 16 * 1024 * 1024
#: A YAML file is slower to read than a list; ten thousand rules have about a million characters.
MAX_YAML_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 40
#: Parts of a file with every alias written out.
MAX_PARTS = 500_000

ProblemKind = Literal["too-large", "encoding", "character", "tab", "syntax", "too-deep", "duplicate-key"]
PathPart = str | int

#: libyaml's parser is ten times as fast; without it the same bounds hold.
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlProblem(ValueError):
    """A file cannot be read as YAML. ``line`` and ``column`` count from 1; 0 where no place is known."""

    def __init__(self, kind: ProblemKind, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line
        self.column = column


class _UniqueKeys(_BASE):  # type: ignore[misc]
    """YAML that takes no key twice: the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        seen: set[Any] = set()
        for (key_node, _), key in zip(node.value, keys, strict=True):
            try:
                repeated = key in seen
                seen.add(key)
            except TypeError:
                continue  # no key at all; the constructor below says so
            if repeated:
                line, column = _place(key_node.start_mark)
                raise YamlProblem("duplicate-key", f"key {str(key)[:60]!r} stands twice", line, column)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class YamlFile:
    """What a file says (``value``) and where each part of it stands."""

    value: Any
    root: yaml.Node | None

    def locate(self, path: Sequence[PathPart], *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the part that ``path`` (keys and numbers) leads to, or of the last part on the
        way that is there. With ``key`` the place of the key rather than of what stands behind it."""
        node = self.root
        if node is None:
            return 1, 1
        mark = node.start_mark
        for part in path:
            pair = _child(node, part)
            if pair is None:
                break
            name, node = pair
            mark = name.start_mark if key else node.start_mark
        return _place(mark)


def _child(node: yaml.Node, part: PathPart) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((name, value) for name, value in node.value if name.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _place(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


def decode(content: bytes, most: int = MAX_FILE_BYTES) -> str:
    """The text of a file.

    Raises:
        YamlProblem: it has more than ``most`` bytes, is not UTF-8, or holds a NUL.
    """
    if len(content) > most:
        raise YamlProblem("too-large", f"larger than {most} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise YamlProblem("encoding", f"not UTF-8 ({error.reason} at byte {error.start})", line, column) from error
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise YamlProblem("character", "holds a NUL character", line, nul - text.rfind("\n", 0, nul))
    return text


def parse_yaml(text: str) -> YamlFile:
    """Read YAML.

    Raises:
        YamlProblem: it is none, nests too deeply, unfolds too far, or has a key twice.
    """
    try:
        _check_bounds(text)
        loader = _UniqueKeys(text)
        try:
            root = loader.get_single_node()
            value = loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except YamlProblem:
        raise
    except yaml.MarkedYAMLError as error:
        raise _syntax_problem(text, error) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise YamlProblem("character", f"not YAML ({error.reason})", line, column) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise YamlProblem("syntax", f"not YAML ({error})") from error
    return YamlFile(value, root)


def _syntax_problem(text: str, error: yaml.MarkedYAMLError) -> YamlProblem:
    unclosed = "quoted scalar" in (error.context or "") and "end of stream" in (error.problem or "")
    mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
    line, column = _place(mark)
    message = ", ".join(part for part in (error.context, error.problem) if part)
    lines = text.split("\n")
    if line > len(lines):  # the parser counts a line behind the end
        line, column = len(lines), len(lines[-1]) + 1
    written = lines[line - 1] if line else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return YamlProblem("tab", "indented with a tab; YAML wants spaces", line, written.index("\t") + 1)
    advice = yaml_advice(message, written)
    return YamlProblem(
        "syntax", f"not YAML ({message}, line {line}, column {column}){advice and f'; {advice}'}", line, column
    )


def _check_bounds(text: str) -> None:
    """Depth and size with all aliases written out, from events alone.

    Raises:
        YamlProblem: a bound is passed.
        yaml.YAMLError: it is no YAML.
    """
    total = depth = 0
    sizes: dict[str, int] = {}
    open_anchors: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=_BASE):
        anchor = getattr(event, "anchor", None)
        total += 1
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(anchor or "", 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            open_anchors.append((anchor, total))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            name, before = open_anchors.pop()
            if name:
                sizes[name] = total - before
        if depth > MAX_DEPTH:
            raise YamlProblem("too-deep", f"nested more than {MAX_DEPTH} deep", *_place(event.start_mark))
        if total > MAX_PARTS:
            raise YamlProblem(
                "too-deep", f"more than {MAX_PARTS} parts with aliases written out", *_place(event.start_mark)
            )
