"""Dashboards, ``cascade cost`` and ``/cost`` against the sums over the answers of a known load."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.report.figures import report
from gateway.report.samples import Samples
from tests.deploy.conftest import REQUESTS
from tests.deploy.stage import DASHBOARDS, Stage, panels, substituted

#: Panels that a small, healthy service has nothing to show in, and why.
WITHOUT_DATA = {
    ("service", "Refused before the body was read"): "nothing is refused",
    ("rules", "Timeouts"): "no rule runs away",
}
#: Queries that may have something to show, and on what that depends.
PERHAPS_WITHOUT_DATA = {
    ("escalation", "The same in the week before", "A"): "needs a sample at a full hour",
    ("quality", "Audits by field", "C"): "needs a sample at a full hour",
    ("quality", "Audits by field", "D"): "needs a sample at a full hour",
    ("quality", "Audits dropped", "A"): "how the load fell",
    ("service", "Let go by a queue", "A"): "how the load fell",
}


def figure(played: Stage, dashboard: str, title: str, query: int = 0) -> float:
    """The only sample of a panel's query over the load."""
    [panel] = [panel for panel in panels(dashboard) if panel["title"] == title]
    [sample] = played.window(panel["targets"][query]["expr"])
    return float(sample["value"][1])


def cost(played: Stage) -> float:
    return sum(answer["cost"]["amount"] for answer in played.answers)


def always_large(played: Stage) -> float:
    return sum(answer["cost"]["always_large"] for answer in played.answers)


def share_reaching(played: Stage, tier: str) -> float:
    return sum(tier in answer["tiers"] for answer in played.answers) / len(played.answers)


def with_guarantee(played: Stage) -> float:
    given = [field for answer in played.answers for field in answer["fields"].values()]
    return sum(isinstance(field["guarantee"], float) for field in given) / len(given)


def test_the_load_uses_all_tiers_and_saves_something(played: Stage) -> None:
    assert {tuple(answer["tiers"]) for answer in played.answers} == {
        ("rules", "student"),
        ("rules", "student", "large"),
    }
    assert 0 < cost(played) < always_large(played)


def test_the_cost_dashboard_s_first_row_equals_the_sums_over_the_answers(played: Stage) -> None:
    exact = {"rel": 1e-6}
    assert figure(played, "cost", "Requests answered") == pytest.approx(REQUESTS, **exact)
    spent, large = cost(played), always_large(played)
    assert figure(played, "cost", "Cost of 1,000 requests") == pytest.approx(1000 * spent / REQUESTS, **exact)
    assert figure(played, "cost", "Cost of 1,000 requests", 1) == pytest.approx(1000 * large / REQUESTS, **exact)
    assert figure(played, "cost", "Saved") == pytest.approx(1 - spent / large, **exact)
    assert figure(played, "cost", "Money saved") == pytest.approx(large - spent, **exact)
    audits = figure(played, "quality", "What audits did cost")
    assert figure(played, "cost", "Money saved", 1) == pytest.approx(large - spent - audits, **exact)
    assert figure(played, "cost", "Reached the large tier") == pytest.approx(share_reaching(played, "large"), **exact)
    assert figure(played, "cost", "Answered with a guarantee") == pytest.approx(with_guarantee(played), **exact)


def test_escalation_by_tier_and_field_equals_the_answers(played: Stage) -> None:
    [panel] = [panel for panel in panels("escalation") if panel["title"] == "Reached a tier"]
    found = {s["metric"]["tier"]: float(s["value"][1]) for s in played.window(panel["targets"][0]["expr"])}
    assert found == pytest.approx({tier: share_reaching(played, tier) for tier in ("student", "large")}, rel=1e-6)
    [panel] = [p for p in panels("cost") if p["title"] == "Fields that sent requests to the large tier"]
    found = {s["metric"]["field"]: float(s["value"][1]) for s in played.window(panel["targets"][0]["expr"])}
    asked = Counter(name for answer in played.answers for name, to in answer["escalated"].items() if to == "large")
    assert found["shop"] == pytest.approx(asked["shop"] / REQUESTS, rel=1e-6)


def test_cascade_cost_and_the_dashboards_say_the_same(played: Stage) -> None:
    found = report(Samples.parse(played.after).since(Samples.parse(played.before))).total
    [paid] = found.money
    assert found.answered == REQUESTS
    assert paid.cost == pytest.approx(cost(played), rel=1e-9)
    assert paid.always_large == pytest.approx(always_large(played), rel=1e-9)
    assert paid.saved_share == pytest.approx(figure(played, "cost", "Saved"), rel=1e-6)
    assert found.reached_share["large"] == pytest.approx(figure(played, "cost", "Reached the large tier"), rel=1e-6)
    assert found.fields.with_guarantee_share == pytest.approx(with_guarantee(played), rel=1e-9)
    assert paid.student_share == pytest.approx(figure(played, "cost", "s: student relative to large"), rel=1e-6)


def test_the_command_and_the_page_show_the_running_gateway_s_figures(played: Stage) -> None:
    result = CliRunner().invoke(main, ["cost", "--url", played.gateway, "--json"])
    assert result.exit_code == 0, result.output
    total = json.loads(result.output)["total"]
    assert total["answered"] >= REQUESTS
    shown = CliRunner().invoke(main, ["cost", "--url", played.gateway]).output
    page = httpx.get(f"{played.gateway}/cost", timeout=30)
    assert page.status_code == 200
    for saved in (shown, page.text):
        assert f"{100 * total['money'][0]['saved_share']:.1f} %" in saved
        assert f"{100 * total['reached_share']['large']:.1f} %" in saved


def test_the_series_of_money_and_shares_are_there_before_the_first_request(played: Stage) -> None:
    [sample] = played.query('cascade_requests_total{status="failed"}')
    assert sample["value"][1] == "0"
    assert len(played.query('cascade_escalations_total{field="shop",to_tier="large"}')) == 10  # reasons by tiers before


def has_figure(samples: list[dict[str, Any]]) -> bool:
    values = [value for sample in samples for _, value in sample.get("values", [sample.get("value", (0, "NaN"))])]
    return any(value not in ("NaN", "+Inf", "-Inf") for value in values)


@pytest.mark.parametrize("dashboard", sorted(path.stem for path in DASHBOARDS.glob("*.json")))
def test_every_panel_has_data(played: Stage, dashboard: str) -> None:
    wrong = []
    for panel in panels(dashboard):
        for target in panel["targets"]:
            ask = played.query if target.get("instant") else played.query_range
            shown = has_figure(ask(substituted(target["expr"], "2m")))
            expected = (dashboard, panel["title"]) not in WITHOUT_DATA
            if shown is not expected and (dashboard, panel["title"], target["refId"]) not in PERHAPS_WITHOUT_DATA:
                wrong.append((panel["title"], target["refId"], "data" if shown else "no data"))
    assert wrong == []


def test_hostile_names_make_no_series(played: Stage) -> None:
    def series() -> set[str]:
        return {
            line.rpartition(" ")[0]
            for line in httpx.get(f"{played.gateway}/metrics", timeout=30).text.splitlines()
            if line.startswith("cascade_")
        }

    before = series()
    with httpx.Client(base_url=played.gateway, timeout=30) as client:
        for number in range(60):
            name = f'x{number}"}}\n{{{"é" * number}'
            client.post("/v1/extract", json={"task": name, "text": "hi"})
            client.post("/v1/extract", json={"task": "bills", "text": "TOTAL 9.00 and more", "fields": [name]})
            client.post("/v1/extract", json={"task": "bills", "text": "TOTAL 9.00 and more", "max_tier": name})
            client.post("/v1/extract/batch", json={"task": name, "documents": [{"text": "hi"}]})
            said = {"task": name, "request_id": name, "field": name, "value": name}
            client.post("/v1/feedback", json=said)
            client.post("/v1/feedback", json={**said, "task": "bills"})
            client.get(f"/{number}", headers={"X-Request-Id": str(number), "X-API-Key": name.encode().hex()})
    grown = series() - before
    # What was possible all along may come up now; nothing may bear a name that was made up here.
    assert len(grown) < 60
    assert not [line for line in grown if re.search(r'="x\d+', line)]
    allowed = {"bills", "other"}
    assert {task for line in series() for task in re.findall(r'\btask="([^"]*)"', line)} <= allowed
    assert {name for line in series() for name in re.findall(r'\bfield="([^"]*)"', line)} <= {"shop", "total", "all"}
    rules = {name for line in series() for name in re.findall(r'\brule="([^"]*)"', line)}
    assert rules <= {"total/after-total"}
