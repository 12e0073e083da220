"""Reading a task's rule files, lookups and the shared library from disk, with errors that name file, rule and key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.errors import RuleFileError
from gateway.task import TaskSpec
from gateway.tiers.rules.compiling import BUILT_IN, CompiledRule, Compiler, Lookup
from gateway.tiers.rules.filter_schema import FiltersFile
from gateway.tiers.rules.filters import FilterSet, compile_filters
from gateway.tiers.rules.patterns import Compiled, PatternProblem, compile_pattern
from gateway.tiers.rules.schema import LibraryFile, RuleFile
from gateway.tiers.rules.schema_problems import schema_problems
from gateway.tiers.rules.table import parse_entries
from gateway.tiers.rules.words import parse_words
from gateway.tiers.rules.yamlfile import (
    MAX_FILE_BYTES,
    MAX_YAML_BYTES,
    PathPart,
    YamlFile,
    YamlProblem,
    decode,
    parse_yaml,
)

#: Files of a task's directory that are no field's.
FILTERS_FILE = "filters.yaml"
RESERVED_FILES = frozenset({"task.yaml", FILTERS_FILE})

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class RuleSet:
    """All rules of one task, compiled.

    ``fields`` maps a field to its rules in the order they are tried; ``digest`` is that of every file read.
    """

    task: TaskSpec
    fields: Mapping[str, tuple[CompiledRule, ...]]
    digest: str
    filters: FilterSet = field(default_factory=FilterSet)

    @property
    def author_precision(self) -> dict[str, float]:
        """``<field>/<rule id>`` to the precision that its author vouches for, where one is stated."""
        stated = {rule.source: rule.spec.author_precision for rule in self.rules}
        return {source: precision for source, precision in stated.items() if precision is not None}

    @property
    def rule_digests(self) -> dict[str, str]:
        """``<field>/<rule id>`` to a digest of what that rule alone does."""
        return {rule.source: self._digest(rule.field.name, [rule]) for rule in self.rules}

    @property
    def field_digests(self) -> dict[str, str]:
        """Field to a digest of what its rules do: it stays when comments, examples or other fields' rules change."""
        return {name: self._digest(name, rules) for name, rules in self.fields.items()}

    def _digest(self, name: str, rules: Sequence[CompiledRule]) -> str:
        parts = [self.task.options.identity, str(self.task.fields[name].many), *(rule.digest for rule in rules)]
        return f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"

    @property
    def rules(self) -> list[CompiledRule]:
        return [rule for rules in self.fields.values() for rule in rules]


class _Files:
    """Reads files and remembers what was read for the digest."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, bytes] = {}

    def text(self, path: Path, most: int = MAX_FILE_BYTES) -> str:
        """A file's content.

        Raises:
            OSError: it cannot be read.
            ValueError: it has more than ``most`` bytes, or is not UTF-8.
        """
        with path.open("rb") as stream:
            content = stream.read(most + 1)
        text = decode(content, most)
        self._read[path.relative_to(self._root).as_posix()] = content
        return text

    def digest(self) -> str:
        total = hashlib.sha256()
        for name, content in sorted(self._read.items()):
            total.update(f"{name}\0{len(content)}\0".encode())
            total.update(content)
        return f"sha256:{total.hexdigest()}"


def load_rules(rules_dir: Path, task: TaskSpec, compiled: Callable[[str], Compiled] = compile_pattern) -> RuleSet:
    """Read ``<rules_dir>/<task>/<field>.yaml`` for every field and ``<rules_dir>/library/*.yaml``.

    A field without a file has no rules. Files are read once, so the digest is that of what runs. ``compiled`` compiles
    a pattern of a rule, or knows it compiled already.

    Raises:
        RuleFileError: naming the file, line and column, the rule and the key.
    """
    files = _Files(rules_dir)
    task_dir = rules_dir / task.name
    own: dict[str, str] = {}
    for path in sorted((rules_dir / "library").glob("*.yaml")):
        shared, yaml = _parse(files, path, LibraryFile)
        for name, recogniser in shared.recognisers.items():
            if name in own:
                raise _error(path, yaml, ("recognisers", name), f"recogniser {name} is there already", key=name)
            own[name] = recogniser.pattern
    library = {**BUILT_IN, **own}
    lookups: dict[str, Lookup] = {}

    def lookup(name: str) -> Lookup:
        if name not in lookups:
            lookups[name] = read_lookup(name, files.text(task_dir / name))
        return lookups[name]

    known = {f"{name}.yaml" for name in task.fields} | RESERVED_FILES
    stray = sorted(path.name for path in task_dir.glob("*.y*ml") if path.name not in known)
    if stray:
        raise RuleFileError(
            f"{task_dir / stray[0]}: the task has no field of this name; it has {', '.join(task.fields)}",
            detail={"file": str(task_dir / stray[0])},
        )
    fields: dict[str, tuple[CompiledRule, ...]] = {}
    for name, spec in task.fields.items():
        path = task_dir / f"{name}.yaml"
        if not path.is_file():
            fields[name] = ()
            continue
        parsed, yaml = _parse(files, path, RuleFile)
        if parsed.field != name:
            message = f"field is {parsed.field!r} but the file is called {path.name}"
            raise _error(path, yaml, ("field",), message, key="field")
        compiler = Compiler(str(path), spec, library, lookup, compiled)
        ready: list[CompiledRule] = []
        numbers: dict[str, int] = {}
        for number, rule in enumerate(parsed.rules):
            if rule.id in numbers:
                message = f"rule {rule.id}: id: stands twice"
                raise _error(path, yaml, ("rules", number, "id"), message, rule=rule.id, key="id")
            numbers[rule.id] = number
            try:
                ready.append(compiler.compile(rule))
            except RuleFileError as error:
                key = str((error.detail or {})["key"])
                message = error.message.removeprefix(f"{path}: ")
                raise _error(path, yaml, ("rules", number, *key.split(".")), message, rule=rule.id, key=key) from error
        # sorted() keeps the file's order among rules of equal priority.
        fields[name] = tuple(sorted(ready, key=lambda rule: -rule.spec.priority))
        _check_references(path, yaml, numbers, fields[name])
    filters = _filters(files, task_dir / FILTERS_FILE, library)
    return RuleSet(task, fields, files.digest(), filters)


def read_lookup(name: str, content: str) -> Lookup:
    """The entries of a lookup file: a word list when it is called ``.txt``, else CSV.

    Raises:
        ValueError: an entry is wrong; the message names its line.
    """
    content = content.removeprefix("\ufeff")
    return Lookup(parse_words(content) if name.endswith(".txt") else parse_entries(content))


def _filters(files: _Files, path: Path, library: Mapping[str, str]) -> FilterSet:
    if not path.is_file():
        return FilterSet()
    parsed, _ = _parse(files, path, FiltersFile)
    try:
        return compile_filters(parsed, library)
    except PatternProblem as error:
        raise RuleFileError(f"{path}: {error}", detail={"file": str(path)}) from error


def _check_references(path: Path, yaml: YamlFile, numbers: Mapping[str, int], rules: Sequence[CompiledRule]) -> None:
    """Rules may name others of their file: ``of`` any that finds, ``unless`` such as are tried before."""
    voters = {rule.spec.id for rule in rules if rule.finder is not None}
    tried: set[str] = set()
    for rule in rules:
        named = {"of": (getattr(rule.spec, "of", None) or (), voters), "unless": (rule.spec.unless, tried)}
        for key, (ids, allowed) in named.items():
            for position, identifier in enumerate(ids):
                if identifier not in allowed:
                    kind = "rule that is tried before this one" if key == "unless" else "rule that finds values"
                    message = f"rule {rule.spec.id}: {key}: this file has no {kind} called {identifier!r}"
                    where = ("rules", numbers[rule.spec.id], key, position)
                    raise _error(path, yaml, where, message, rule=rule.spec.id, key=key)
        tried |= {rule.spec.id} & voters


def _error(path: Path, yaml: YamlFile, where: Sequence[PathPart], message: str, **detail: Any) -> RuleFileError:
    """``file:line:column: message``; ``where`` leads to the part of the file that is wrong."""
    line, column = yaml.locate(where)
    return RuleFileError(
        f"{path}:{line}:{column}: {message}", detail={"file": str(path), "line": line, "column": column, **detail}
    )


def _parse(files: _Files, path: Path, model: type[_Model]) -> tuple[_Model, YamlFile]:
    try:
        yaml = parse_yaml(files.text(path, MAX_YAML_BYTES))
    except OSError as error:
        raise RuleFileError(f"{path}: cannot be read ({error.strerror})", detail={"file": str(path)}) from error
    except YamlProblem as error:
        line, column = max(error.line, 1), max(error.column, 1)
        raise RuleFileError(
            f"{path}:{line}:{column}: {error}", detail={"file": str(path), "line": line, "column": column}
        ) from error
    try:
        return model.model_validate(yaml.value), yaml
    except ValidationError as error:
        raise _explained(path, yaml, error) from error


def _explained(path: Path, yaml: YamlFile, error: ValidationError) -> RuleFileError:
    """The first problem as ``file:line:column: rule id: key: message``."""
    raw = yaml.value
    problem = schema_problems(error, raw)[0]
    location = problem.path
    rule: str | None = None
    if len(location) >= 2 and location[0] in ("rules", "filters") and isinstance(location[1], int):
        item = raw[location[0]][location[1]]
        identifier = item.get("id") if isinstance(item, dict) else None
        rule = identifier if isinstance(identifier, str) else f"number {location[1] + 1}"
        location = location[2:]
    key = ".".join(str(part) for part in location) or "file"
    rule_part = f"rule {rule}: " if rule else ""
    detail = {"key": key} | ({"rule": rule} if rule else {})
    return _error(path, yaml, problem.path, f"{rule_part}{key}: {problem.message}", **detail)
