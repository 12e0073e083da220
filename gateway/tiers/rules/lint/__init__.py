"""The linter of rule files: all findings at once, with code, file, line and column."""

from gateway.tiers.rules.lint.checking import check_task
from gateway.tiers.rules.lint.findings import CODES, INFORMATION, Code, Finding

__all__ = ["CODES", "INFORMATION", "Code", "Finding", "check_task"]
