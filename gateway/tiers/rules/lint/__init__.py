"""The linter of rule files: all findings at once, with code, file, line and column."""

from gateway.tiers.rules.lint.checking import check_copy, check_task
from gateway.tiers.rules.lint.findings import CODES, COPY, Code, Finding, copy_message
from gateway.tiers.rules.lint.memory import PatternMemory

__all__ = [
    "CODES",
    "COPY",
    "Code",
    "Finding",
    "PatternMemory",
    "check_copy",
    "check_task",
    "copy_message",
]
