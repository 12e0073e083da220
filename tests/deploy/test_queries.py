"""The dashboards' queries on series made up for the purpose, by Prometheus' own tool."""

from __future__ import annotations

from pathlib import Path

import yaml

from deploy.grafana import queries as q
from tests.deploy.test_prometheus import promtool

WINDOW = "10m"
#: Task, currency, answered requests a minute, of them such that reached the student, money a minute, always large.
TASKS = (("bills", "USD", 10, 5, 2, 8), ("notes", "USD", 30, 10, 6, 12), ("cheques", "EUR", 40, 10, 1, 4))


def of_all_tasks(query: str) -> str:
    return query.replace("$task", ".*")


def test_each_currency_is_divided_by_its_own_requests(tmp_path: Path) -> None:
    series = []
    for task, currency, requests, reached, money, large in TASKS:
        series += [
            (f'cascade_requests_total{{task="{task}", status="complete"}}', requests),
            (f'cascade_tier_requests_total{{task="{task}", tier="student"}}', reached),
            (f'cascade_cost_total{{task="{task}", tier="student", currency="{currency}"}}', money),
            (f'cascade_cost_always_large_total{{task="{task}", currency="{currency}"}}', large),
        ]
    expected = {
        q.per_answered(q.cost(WINDOW), WINDOW): {"USD": 8 / 40, "EUR": 1 / 40},
        q.per_answered(q.always_large(WINDOW), WINDOW): {"USD": 20 / 40, "EUR": 4 / 40},
        q.student_cost_share(WINDOW): {"USD": (8 / 15) / (20 / 40), "EUR": (1 / 10) / (4 / 40)},
    }
    checks = [
        {
            "expr": of_all_tasks(f"round(1000 * ({query}))"),
            "eval_time": "20m",
            "exp_samples": [
                {"labels": f'{{currency="{currency}"}}', "value": round(1000 * value)}
                for currency, value in found.items()
            ],
        }
        for query, found in expected.items()
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"0+{step}x30"} for name, step in series],
        "promql_expr_test": checks,
    }
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", str(path))
