"""Configuration, recording rules and alerts, by Prometheus' own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.stage import ROOT, needs

DIRECTORY = ROOT / "deploy" / "prometheus"
UNIT_TESTS = sorted((Path(__file__).parent / "prometheus").glob("*.yml"))
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((DIRECTORY / "alerts.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]


def promtool(*arguments: str) -> None:
    done = subprocess.run([needs("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    promtool("check", "config", str(DIRECTORY / "prometheus.yml"))


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    promtool("test", "rules", str(path))


def test_every_alert_has_a_unit_test_that_sees_it_fire() -> None:
    fired = {
        check["alertname"]
        for path in UNIT_TESTS
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for check in test.get("alert_rule_test", ())
        if check["exp_alerts"]
    }
    assert fired == {alert["alert"] for alert in ALERTS}


def test_every_alert_has_its_paragraph_in_the_runbook_and_a_severity() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    linked = set()
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert page == "docs/runbook.md"
        linked.add(anchor)
        assert alert["labels"]["severity"] in ("page", "ticket")
    assert linked == anchors


def test_every_metric_that_rules_and_dashboards_read_is_documented() -> None:
    documented = set(re.findall(r"`(cascade_\w+)`", (ROOT / "docs" / "metrics.md").read_text("utf-8")))
    read = "\n".join(
        path.read_text("utf-8")
        for path in (DIRECTORY / "recording.yml", DIRECTORY / "alerts.yml", *(ROOT / "deploy/grafana").rglob("*.json"))
    )
    # Not the recorded series, whose names hold colons.
    names = set(re.findall(r"(?<![:\w])(cascade_\w+)(?![:\w])", read))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} <= documented


def test_recorded_series_that_are_read_are_recorded() -> None:
    recorded = {
        rule["record"]
        for name in ("objectives.yml", "recording.yml")
        for group in yaml.safe_load((DIRECTORY / name).read_text("utf-8"))["groups"]
        for rule in group["rules"]
    }
    files = (DIRECTORY / "recording.yml", DIRECTORY / "alerts.yml", *(ROOT / "deploy/grafana").rglob("*.json"))
    read = {name for path in files for name in re.findall(r"\b\w+:\w+:\w+\b", path.read_text("utf-8"))}
    assert read == recorded
