"""Whether a copy of a task's files may be published."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.errors import CascadeError, PolicyError
from gateway.home import Home
from gateway.policy import Policy
from gateway.reload.generations import Problem
from gateway.task import TaskSpec
from gateway.tiers.rules.lint import Finding, PatternMemory, check_task
from gateway.tiers.rules.loading import load_rules


class Rejected(Exception):
    """The files are wrong; ``problems`` say where."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def check(copy: Home, task: str, original: Home, memory: PatternMemory | None = None) -> TaskSpec:
    """Lint a copy, run its examples and load all that a worker will load; the task as it is stated there.

    A ``memory`` that is kept from check to check makes it as cheap as the edit.

    Raises:
        Rejected: there is an error; places are those in ``original``.
    """
    memory = PatternMemory() if memory is None else memory
    errors = [finding for finding in check_task(copy.rules, task, memory) if finding.severity == "error"]
    if errors:
        raise Rejected(_problem(finding, copy, original) for finding in errors)
    path = copy.models / task / "policy.json"
    try:
        spec = loaded_spec(copy, task, original)
        load_rules(copy.rules, spec, memory.compiled)
        if path.exists() and (found := Policy.load(path).task) != task:
            raise PolicyError(f'{path}: belongs to task "{found}"')
    except CascadeError as error:
        named = (error.detail or {}).get("file") or (path if isinstance(error, PolicyError) else None)
        message = shown(error.message, copy, original)
        file = None if named is None else shown(str(named), copy, original)
        line, column = ((error.detail or {}).get(key) for key in ("line", "column"))
        if file is not None:
            place = f"{file}:" if line is None else f"{file}:{line}:{column}:"
            message = message.removeprefix(place).strip()
        raise Rejected(
            [Problem(error.code, message, file=_relative(file, original), line=line, column=column)]
        ) from error
    return spec


def loaded_spec(copy: Home, task: str, original: Home) -> TaskSpec:
    """The task as a copy states it.

    Raises:
        TaskFileError: ``task.yaml`` is wrong; the message names the original.
    """
    try:
        return copy.task(task)
    except CascadeError as error:
        raise in_words_of(error, copy, original) from error


def in_words_of(error: CascadeError, copy: Home, original: Home) -> CascadeError:
    """The same error with the places of the originals."""
    detail = {
        key: shown(value, copy, original) if isinstance(value, str) else value
        for key, value in (error.detail or {}).items()
    }
    return type(error)(shown(error.message, copy, original), detail=detail or None)


def shown(text: str, copy: Home, original: Home) -> str:
    """A message with the places of the originals instead of those of their copies."""
    return text.replace(f"{copy.path}/", f"{original.path}/")


def _relative(file: str | None, home: Home) -> str | None:
    if file is None or not Path(file).is_relative_to(home.path):
        return file
    return Path(file).relative_to(home.path).as_posix()


def _problem(finding: Finding, copy: Home, original: Home) -> Problem:
    return Problem(
        finding.code,
        shown(finding.message, copy, original),
        finding.severity,
        _relative(shown(finding.file, copy, original), original),
        finding.line,
        finding.column,
        finding.rule,
    )
