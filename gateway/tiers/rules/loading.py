"""Reading a task's rule files, lookups and the shared library from disk, with errors that name file, rule and key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gateway.errors import RuleFileError
from gateway.task import TaskSpec
from gateway.tiers.rules.compiling import BUILT_IN, CompiledRule, Compiler
from gateway.tiers.rules.schema import LibraryFile, RuleFile
from gateway.tiers.rules.table import Table, parse_entries

MAX_FILE_BYTES = 16 * 1024 * 1024

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class RuleSet:
    """All rules of one task, compiled.

    ``fields`` maps a field to its rules in the order they are tried; ``digest`` is that of every file read.
    """

    task: TaskSpec
    fields: Mapping[str, tuple[CompiledRule, ...]]
    digest: str

    @property
    def field_digests(self) -> dict[str, str]:
        """Field to a digest of what its rules do: it stays when comments, examples or other fields' rules change."""
        found = {}
        for name, rules in self.fields.items():
            parts = [str(self.task.day_first), str(self.task.fields[name].many), *(rule.digest for rule in rules)]
            found[name] = f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
        return found

    @property
    def rules(self) -> list[CompiledRule]:
        return [rule for rules in self.fields.values() for rule in rules]


class _Files:
    """Reads files and remembers what was read for the digest."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, bytes] = {}

    def text(self, path: Path) -> str:
        """A file's content.

        Raises:
            OSError: it cannot be read.
            ValueError: it is too large or not UTF-8.
        """
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
        self._read[path.relative_to(self._root).as_posix()] = content
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from error

    def digest(self) -> str:
        total = hashlib.sha256()
        for name, content in sorted(self._read.items()):
            total.update(f"{name}\0{len(content)}\0".encode())
            total.update(content)
        return f"sha256:{total.hexdigest()}"


def load_rules(rules_dir: Path, task: TaskSpec) -> RuleSet:
    """Read ``<rules_dir>/<task>/<field>.yaml`` for every field and ``<rules_dir>/library/*.yaml``.

    A field without a file has no rules. Files are read once, so the digest is that of what runs.

    Raises:
        RuleFileError: naming the file, the rule and the key.
    """
    files = _Files(rules_dir)
    task_dir = rules_dir / task.name
    library = dict(BUILT_IN)
    for path in sorted((rules_dir / "library").glob("*.yaml")):
        for name, recogniser in _parse(files, path, LibraryFile).recognisers.items():
            if name in library:
                raise RuleFileError(
                    f"{path}: recogniser {name} is there already", detail={"file": str(path), "key": name}
                )
            library[name] = recogniser.pattern
    tables: dict[str, Table] = {}

    def table(name: str) -> Table:
        if name not in tables:
            tables[name] = Table(parse_entries(files.text(task_dir / name)))
        return tables[name]

    known = {f"{name}.yaml" for name in task.fields} | {"task.yaml"}
    stray = sorted(path.name for path in task_dir.glob("*.y*ml") if path.name not in known)
    if stray:
        raise RuleFileError(
            f"{task_dir / stray[0]}: the task has no field of this name; it has {', '.join(task.fields)}",
            detail={"file": str(task_dir / stray[0])},
        )
    fields: dict[str, tuple[CompiledRule, ...]] = {}
    for name, field in task.fields.items():
        path = task_dir / f"{name}.yaml"
        if not path.is_file():
            fields[name] = ()
            continue
        parsed = _parse(files, path, RuleFile)
        if parsed.field != name:
            raise RuleFileError(
                f"{path}: field is {parsed.field!r} but the file is called {path.name}",
                detail={"file": str(path), "key": "field"},
            )
        compiler = Compiler(str(path), field, library, table)
        compiled: list[CompiledRule] = []
        for rule in parsed.rules:
            if any(other.spec.id == rule.id for other in compiled):
                raise RuleFileError(
                    f"{path}: rule {rule.id}: id: stands twice",
                    detail={"file": str(path), "rule": rule.id, "key": "id"},
                )
            compiled.append(compiler.compile(rule))
        # sorted() keeps the file's order among rules of equal priority.
        fields[name] = tuple(sorted(compiled, key=lambda rule: -rule.spec.priority))
        _check_references(path, fields[name])
    return RuleSet(task, fields, files.digest())


def _check_references(path: Path, rules: Sequence[CompiledRule]) -> None:
    """Rules may name others of their file: ``of`` any that finds, ``unless`` such as are tried before."""
    voters = {rule.spec.id for rule in rules if rule.finder is not None}
    tried: set[str] = set()
    for rule in rules:
        named = {"of": (getattr(rule.spec, "of", None) or (), voters), "unless": (rule.spec.unless, tried)}
        for key, (ids, allowed) in named.items():
            for identifier in ids:
                if identifier not in allowed:
                    kind = "rule that is tried before this one" if key == "unless" else "rule that finds values"
                    raise RuleFileError(
                        f"{path}: rule {rule.spec.id}: {key}: this file has no {kind} called {identifier!r}",
                        detail={"file": str(path), "rule": rule.spec.id, "key": key},
                    )
        tried |= {rule.spec.id} & voters


class _UniqueKeys(yaml.SafeLoader):
    """YAML that takes no key twice: the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        repeated = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(None, None, f"key {repeated!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parse(files: _Files, path: Path, model: type[_Model]) -> _Model:
    try:
        raw = yaml.load(files.text(path), Loader=_UniqueKeys)
    except OSError as error:
        raise RuleFileError(f"{path}: cannot be read ({error.strerror})", detail={"file": str(path)}) from error
    except (yaml.YAMLError, ValueError) as error:
        raise RuleFileError(f"{path}: not YAML ({error})", detail={"file": str(path)}) from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _explained(path, raw, error) from error


def _explained(path: Path, raw: Any, error: ValidationError) -> RuleFileError:
    """The first problem as ``file: rule id: key: message``."""
    first = error.errors(include_url=False)[0]
    location = list(first["loc"])
    rule: str | None = None
    if len(location) >= 2 and location[0] == "rules" and isinstance(location[1], int):
        item = raw["rules"][location[1]]
        identifier = item.get("id") if isinstance(item, dict) else None
        rule = identifier if isinstance(identifier, str) else f"number {location[1] + 1}"
        kinds = {"pattern", "anchor", "position", "block", "lookup", "balance", "agreement"}
        # Behind the number stands the kind that chose the variant, which is no key of the file.
        location = location[3:] if len(location) > 2 and location[2] in kinds else location[2:]
        location = location or ["kind"]
    key = ".".join(str(part) for part in location) or "file"
    message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
    rule_part = f" rule {rule}:" if rule else ""
    detail = {"file": str(path), "key": key} | ({"rule": rule} if rule else {})
    return RuleFileError(f"{path}:{rule_part} {key}: {message}", detail=detail)
