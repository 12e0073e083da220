"""The numbered findings of ``cascade rules check``. ``docs/rule-codes.md`` explains each; a code keeps its meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gateway.tiers.rules.yamlfile import PathPart, YamlFile

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """What a code means in a few words. An error keeps the rules from being loaded or is certainly not meant."""

    severity: Severity
    title: str


CODES: Mapping[str, Code] = {
    # Files
    "R001": Code("error", "file cannot be read"),
    "R002": Code("error", "file is too large"),
    "R003": Code("error", "file is not UTF-8"),
    "R004": Code("warning", "file begins with a byte order mark"),
    "R005": Code("error", "control character in a file"),
    "R006": Code("error", "file is not YAML"),
    "R007": Code("error", "indented with a tab"),
    "R008": Code("error", "nested too deeply or unfolded too far"),
    "R009": Code("error", "key stands twice"),
    # Content
    "R010": Code("error", "unknown key"),
    "R011": Code("error", "missing key"),
    "R012": Code("error", "unknown kind"),
    "R013": Code("error", "bad value"),
    "R014": Code("error", "field is not the file's"),
    "R015": Code("error", "task.yaml is wrong"),
    "R016": Code("error", "key does not fit the type"),
    "R017": Code("error", "too much to check"),
    "R018": Code("warning", "directory is a copy of another task's"),
    # Names
    "R020": Code("error", "id stands twice"),
    "R021": Code("error", "unknown rule named"),
    "R022": Code("error", "file belongs to no field"),
    "R023": Code("warning", "field without rules"),
    "R024": Code("error", "unknown recogniser"),
    "R025": Code("error", "recogniser stands twice"),
    "R026": Code("error", "recognisers name each other too deeply"),
    # Patterns
    "R030": Code("error", "bad pattern"),
    "R031": Code("error", "pattern runs away"),
    "R032": Code("warning", "pattern can match one text in many ways"),
    "R033": Code("error", "pattern is too large"),
    "R034": Code("warning", "errors allowed match nearly anything"),
    "R035": Code("error", "bad replacement"),
    "R036": Code("warning", "pattern was not probed"),
    "R037": Code("warning", "pattern matches nothing at all"),
    "R038": Code("error", "control character in a pattern"),
    # Examples
    "R040": Code("warning", "rule without example"),
    "R041": Code("error", "example fails"),
    "R042": Code("error", "example is no value of the type"),
    "R043": Code("error", "rule refuses its own example"),
    "R044": Code("error", "example ran out of time"),
    # Order
    "R050": Code("warning", "same evidence as a rule before"),
    "R051": Code("warning", "examples are all answered by a rule before"),
    "R052": Code("warning", "agreement that cannot come about"),
    # Lookups
    "R060": Code("error", "lookup file is missing"),
    "R061": Code("error", "lookup file is wrong"),
    "R062": Code("warning", "lookup entry stands twice"),
    "R063": Code("error", "lookup value is no value of the type"),
    "R064": Code("warning", "lookup file is not used"),
    "R065": Code("warning", "lookup file is empty"),
    # What the policy measured
    "R090": Code("warning", "not as policy.json was calibrated"),
    "R091": Code("warning", "no target is certified for the task's tiers"),
}

#: The code of a directory that is left out because it is a copy of another task's.
COPY = "R018"


def copy_message(task: str) -> str:
    """What is said of a copy of ``task``'s directory."""
    return (
        f"is a copy of the task {task!r}, which is there itself: nothing here is used. Move it out of rules/, let its"
        " name begin with a dot, or give the task in its task.yaml the directory's name"
    )


#: Codes of what the files of a task and its policy.json say of each other: found by ``cascade rules check`` alone.
CALIBRATE = "R090"
UNCERTIFIED = "R091"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to put right. ``line`` and ``column`` count from 1; ``rule`` is ``<field>/<rule id>`` or ``None``."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str
    rule: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        about = f" [{self.rule}]" if self.rule else ""
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}{about}"


@dataclass(frozen=True)
class Place:
    """Somewhere in a file; ``rule`` is the rule that stands there."""

    file: Path
    yaml: YamlFile
    path: tuple[PathPart, ...] = ()
    rule: str | None = None

    def at(self, *path: PathPart) -> Place:
        """A place further inside."""
        return Place(self.file, self.yaml, (*self.path, *path), self.rule)


class Report:
    """Collects findings."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def add(self, code: str, file: Path, message: str, line: int = 1, column: int = 1, rule: str | None = None) -> None:
        """A finding at a line and column."""
        finding = Finding(str(file), max(line, 1), max(column, 1), code, CODES[code].severity, message, rule)
        self._found.setdefault(finding)

    def at(self, code: str, place: Place, message: str, *, key: bool = False) -> None:
        """A finding at a place; with ``key`` at the key rather than at its value."""
        line, column = place.yaml.locate(place.path, key=key)
        self.add(code, place.file, message, line, column, place.rule)

    @property
    def findings(self) -> Sequence[Finding]:
        """All findings by file, line and column."""
        return sorted(self._found, key=lambda item: (item.file, item.line, item.column, item.code, item.message))
