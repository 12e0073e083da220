"""What stands behind the tasks in force, as metrics."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.loaded import link, read_task
from gateway.policy import Policy
from gateway.telemetry.targets import TargetCollector
from gateway.tiers.rules.tier import RulesTier
from gateway.trust import field_identities, rule_digests

RULE = "field: {field}\nrules:\n  - {{id: only, kind: pattern, pattern: '\\d\\.\\d\\d', author_precision: 0.9}}\n"


def lost(home: Home) -> dict[str, float]:
    """The metric of a home's task: tier to fields for which it decides nothing."""
    task = link(read_task(home, "bills"), {"student": TierStatus("sha256:new")})
    registry = CollectorRegistry()
    registry.register(TargetCollector(lambda: {"bills": task}))
    found = {}
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith("cascade_fields_not_trusted{"):
            found[line.split('tier="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
    return found


def test_tiers_that_are_not_as_calibrated_are_counted(tmp_path: Path) -> None:
    rules = tmp_path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(
        "task: bills\ntiers: [rules, student]\n"
        "fields:\n  total: {type: money}\n  tax: {type: money}\n  shop: {type: text}\n"
    )
    for field in ("total", "tax"):
        (rules / f"{field}.yaml").write_text(RULE.format(field=field))
    home = Home(tmp_path)
    assert lost(home) == {"rules": 0, "student": 0}, "without a policy there is no trust to lose"
    task = home.task("bills")
    tier = RulesTier.load(home.rules, task)
    versions = {
        "rules": dict(tier.field_versions),
        "rule_digests": rule_digests(tier.rules),
        "fields": field_identities(task),
        "student": "sha256:new",
    }
    (tmp_path / "models" / "bills").mkdir(parents=True)
    place = tmp_path / "models" / "bills" / "policy.json"
    Policy("bills", versions=versions).save(place)
    assert lost(home) == {"rules": 0, "student": 0}
    (rules / "tax.yaml").write_text(RULE.format(field="tax").replace("\\d\\d'", "\\d{2}'"))
    assert lost(home) == {"rules": 1, "student": 0}
    Policy("bills", versions={**versions, "student": "sha256:old"}).save(place)
    assert lost(home) == {"rules": 1, "student": 3}
