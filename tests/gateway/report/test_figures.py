from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MetricsUnavailable
from gateway.report.figures import report
from gateway.report.samples import Samples
from gateway.report.words import Table, headline, money, remarks, share, tables

SCRAPE = """\
# TYPE cascade_build_info gauge
cascade_build_info{version="1",python="3.11"} 1
# TYPE cascade_requests_total counter
cascade_requests_total{task="bills",status="complete"} 6
cascade_requests_total{task="bills",status="review"} 1
cascade_requests_total{task="bills",status="degraded"} 1
cascade_requests_total{task="bills",status="rejected"} 50
cascade_requests_total{task="notes",status="complete"} 2
# TYPE cascade_tier_requests_total counter
cascade_tier_requests_total{task="bills",tier="rules"} 8
cascade_tier_requests_total{task="bills",tier="student"} 4
cascade_tier_requests_total{task="bills",tier="large"} 2
cascade_tier_requests_total{task="notes",tier="rules"} 2
# TYPE cascade_cost_total counter
cascade_cost_total{task="bills",tier="student",currency="USD"} 1
cascade_cost_total{task="bills",tier="large",currency="USD"} 2
cascade_cost_total{task="notes",tier="rules",currency="USD"} 1
# TYPE cascade_cost_always_large_total counter
cascade_cost_always_large_total{task="bills",currency="USD"} 10
# TYPE cascade_instance_cost_total counter
cascade_instance_cost_total{currency="USD"} 20
# TYPE cascade_fields_total counter
cascade_fields_total{task="bills",field="total",tier="rules",outcome="accepted"} 5
cascade_fields_total{task="bills",field="total",tier="rules",outcome="accepted-author"} 1
cascade_fields_total{task="bills",field="shop",tier="large",outcome="absent"} 1
cascade_fields_total{task="bills",field="shop",tier="none",outcome="nothing-found"} 1
# TYPE cascade_escalations_total counter
cascade_escalations_total{task="bills",field="shop",from_tier="rules",to_tier="large",reason="conflict"} 2
# TYPE process_open_fds gauge
process_open_fds 9
"""


def test_the_figures_of_a_scrape() -> None:
    found = report(Samples.parse(SCRAPE))
    total = found.total
    assert (total.answered, total.not_answered, total.review_share) == (10, {"rejected": 50}, 0.2)
    assert isinstance(total.answered, int)
    assert total.reached_share == {"student": 0.4, "large": 0.2}
    [paid] = total.money
    assert (paid.currency, paid.cost, paid.always_large) == ("USD", 4, 10)
    # Nothing is known of what the large tier would have cost the notes: they neither save nor lose.
    assert (paid.saved, paid.saved_share) == (7, 0.7)
    assert (paid.cost_per_request, paid.machine, paid.machine_per_request) == (0.4, 20, 2)
    assert paid.student_share == pytest.approx((1 / 4) / (10 / 10))
    fields = total.fields
    assert (fields.with_guarantee_share, fields.on_authors_word_share, fields.in_review_share) == (0.75, 0.125, 0.125)
    assert found.tasks["notes"].money[0].saved is None
    assert found.task_fields["bills"]["shop"].reached_large_share == 1.0
    assert "process_open_fds" not in Samples.parse(SCRAPE).values


def test_a_service_without_requests_has_no_figures_and_says_so() -> None:
    found = report(Samples.parse('cascade_build_info{version="1"} 1\n'))
    assert (found.total.answered, found.total.money, found.total.fields.with_guarantee_share) == (0, (), None)
    assert dict(headline(found))["fields answered with a guarantee"] == "–"
    assert all(len(table.rows) == 1 for table in tables(found))


def test_words() -> None:
    assert (share(0.2871), share(None), share(-0.5)) == ("28.7 %", "–", "-50.0 %")
    assert (money(0.0000012, "USD"), money(123456.7, "EUR"), money(None)) == ("0.0000012 USD", "123,457 EUR", "–")
    assert (money(0.0), money(-0.0123), money(4.0)) == ("0.00", "-0.012", "4.00")
    found = report(Samples.parse(SCRAPE))
    shown = dict(headline(found))
    assert shown["requests not answered"] == "50 rejected"
    assert shown["saved (marginal)"] == "70.0 %, 7.00 USD"
    assert shown["answers in review or degraded"] == "20.0 %"
    by_task: Table = next(iter(tables(found)))
    assert [row[0] for row in by_task.rows] == ["task", "bills", "notes"]


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20), st.integers(0, 20))
def test_growth_adds_up_over_a_restart(steps: list[float], restart: int) -> None:
    """However often one looks, what was counted is found, as long as a look lies between counting and a restart."""
    total, shown, seen = 0.0, 0.0, Samples({})
    for index, step in enumerate(steps):
        shown = step if index == restart and step < shown else shown + step
        now = Samples({"cascade_cost_total": {(("task", "a"),): shown}})
        total += now.since(seen).total("cascade_cost_total")
        seen = now
    assert total == pytest.approx(sum(steps))


@pytest.mark.parametrize("text", ["<html>it works</html>", "cascade_cost_total{task="])
def test_what_is_no_scrape_is_refused(text: str) -> None:
    with pytest.raises(MetricsUnavailable):
        Samples.parse(text)


def test_a_machine_that_costs_more_than_always_large_is_called_that() -> None:
    """What is saved at the margin is no saving while the machine stays."""
    found = report(Samples.parse(SCRAPE + "cascade_utilisation_ratio 0.031\n"))
    shown = dict(headline(found))
    assert shown["the machine"] == "20.00 USD, 2,000,000 USD for a million requests"
    assert shown["  the machine over always large"] == "2.00 times"
    assert shown["utilisation"] == "3.1 %"
    assert any("only when the machines become fewer" in text for text in remarks(found))
    without = report(Samples.parse(SCRAPE.replace("cascade_instance_cost_total{", "cascade_other_total{")))
    assert not any("machines" in text for text in remarks(without))


def test_requests_of_another_currency_are_not_divided_by() -> None:
    found = report(
        Samples.parse(
            SCRAPE.replace('task="notes",tier="rules",currency="USD"', 'task="notes",tier="rules",currency="EUR"')
        )
    )
    euros, dollars = found.total.money
    assert (euros.currency, euros.requests, euros.cost_per_request) == ("EUR", 2, 0.5)
    assert (dollars.requests, dollars.cost_per_request) == (8, 3 / 8)
    assert dollars.always_large_per_request == 10 / 8
    assert dollars.machine_per_request == 2  # it worked for all of them


def test_gauges_are_not_differences() -> None:
    text = "cascade_utilisation_ratio 0.5\ncascade_start_time_seconds 1e9\n" + SCRAPE
    found = report(Samples.parse(text).since(Samples.parse(text)))
    assert (found.utilisation_share, found.started) == (0.5, 1e9)
    assert found.total.answered == 0
