"""Card and page after the policy was calibrated again."""

from __future__ import annotations

from pathlib import Path

from gateway.task import FieldSpec, TaskSpec
from tests.training.report.conftest import make_policy, make_report
from training.card import render_card
from training.report import RunReport, write_report
from training.report.material import Material
from training.report.writing import write_calibrated

TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "total": FieldSpec("total", "money")}, quality=0.99)


def test_card_page_and_report_follow_a_new_policy(directory: Path) -> None:
    write_report(directory, make_report(["shop", "total"]))
    before = (directory / "report.html").read_text("utf-8")
    policy = make_policy(["shop", "total"], created="later")
    policy.save(directory / "policy.json")
    assert write_calibrated(directory, TASK, policy, [])
    report = RunReport.load(directory)
    assert report.fields["total"] == {"type": "money", "many": False, "quality": 0.99}
    assert report.calibration["created"] == "later"
    assert report.validation == make_report(["shop", "total"]).validation, "what was measured stays"
    card = (directory / "CARD.md").read_text("utf-8")
    assert card == render_card(Material.read(directory))
    assert "| total | 0.99 | no; about 2,270 labels would |" in card
    assert (directory / "report.html").read_text("utf-8") != before


def test_a_page_is_not_made_where_none_was(directory: Path) -> None:
    (directory / "CARD.md").write_text("# Card\n", "utf-8")
    assert write_calibrated(directory, TASK, make_policy(["shop", "total"]), [])
    assert not (directory / "report.html").exists()


def test_of_a_card_without_a_report_only_the_certified_targets_are_replaced(tmp_path: Path) -> None:
    assert not write_calibrated(tmp_path, TASK, make_policy(["shop", "total"]), [])
    (tmp_path / "CARD.md").write_text("# Ours\n\n## Certified targets\n\nreplaced\n\n## Limits\n\n- Ours.\n", "utf-8")
    assert write_calibrated(tmp_path, TASK, make_policy(["shop", "total"]), [])
    card = (tmp_path / "CARD.md").read_text("utf-8")
    assert card.startswith("# Ours\n\n## Certified targets\n\nAt 95 % confidence")
    assert card.endswith("\n\n## Limits\n\n- Ours.\n")
    assert "replaced" not in card


def test_figures_measured_with_another_policy_are_marked(directory: Path) -> None:
    validation = make_report(["shop", "total"]).validation
    marked = {part: {**found, "digests": {"policy": "another"}} for part, found in validation.items()}
    write_report(directory, make_report(["shop", "total"], validation=marked))
    told = "(measured before the policy was calibrated again)"
    for name in ("CARD.md", "report.html"):
        assert told in (directory / name).read_text("utf-8")
    write_report(directory, make_report(["shop", "total"]))
    for name in ("CARD.md", "report.html"):
        assert told not in (directory / name).read_text("utf-8")
