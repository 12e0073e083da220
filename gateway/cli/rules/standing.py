"""What a task's files and its policy.json say of each other, as findings: in the words of ``/readyz``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.errors import CascadeError
from gateway.home import Home
from gateway.loaded import changed_field_notes
from gateway.policy import Policy
from gateway.tiers.rules import RuleSet
from gateway.tiers.rules.lint.findings import CALIBRATE, UNCERTIFIED, Place, Report
from gateway.tiers.rules.yamlfile import parse_yaml
from gateway.trust import trust_of, uncertified_fields


def measured_policy(home: Home, task: str) -> Policy | None:
    """The task's policy; ``None`` where it has none that can be used, which ``cascade serve`` says."""
    try:
        policy = Policy.load(home.models / task / "policy.json")
    except CascadeError:
        return None
    return policy if policy.task == task else None


def report_standing(home: Home, rules: RuleSet, policy: Policy, report: Report) -> list[str]:
    """Add what is not as ``policy`` was calibrated, and fields whose answers it lets nothing accept; gives back the
    fields to calibrate again."""
    directory = home.rules / rules.task.name
    task = _place(directory / "task.yaml")
    changed = changed_field_notes(rules.task, policy)
    again: list[str] = []
    for name, sentence in changed.items():
        again.append(name)
        report.at(CALIBRATE, task.at("fields", name), sentence, key=True)
    for name, standing in trust_of(rules, policy).items():
        message = standing.describe(name)
        if message is None:
            continue
        again.append(name)
        path = directory / f"{name}.yaml"
        named = next(iter((*standing.added, *standing.changed)), None)
        if path.is_file():
            report.at(CALIBRATE, _rule(_place(path), name, named), message)
        else:
            report.at(CALIBRATE, task.at("fields", name), message, key=True)
    # One variant is enough: which of them is in force depends on the models, of which nothing is known here.
    lacking = [uncertified_fields(rules.task, each) for each in (policy, *policy.variants)]
    for name, sentence in lacking[0].items():
        if all(name in each for each in lacking):
            report.at(UNCERTIFIED, task.at("tiers"), sentence)
    return list(dict.fromkeys(again))


def _place(path: Path) -> Place:
    return Place(path, parse_yaml(path.read_text("utf-8-sig")))


def _rule(file: Place, field: str, source: str | None) -> Place:
    """Where the rule ``source`` stands in its file; the file's ``rules`` where it is not there any more."""
    for number, identifier in _ids(file):
        if source == f"{field}/{identifier}":
            return Place(file.file, file.yaml, ("rules", number), source)
    return file.at("rules")


def _ids(file: Place) -> Iterator[tuple[int, object]]:
    for number, rule in enumerate(file.yaml.value["rules"]):
        yield number, rule["id"]
