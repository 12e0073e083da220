"""*Cost*: whether the cascade pays. The first row answers that by itself."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana import panels as p
from deploy.grafana import queries as q

BUDGET = "max by (currency) (cascade:objective:monthly_cost)"
BY_TASK = "task, currency"
UTILISATION = "max(cascade_utilisation_ratio)"
JOULES = q.increase("cascade_energy_joules_total", q.RANGE, q.TASK)


def dashboard() -> Dashboard:
    """The dashboard."""
    return p.filled(
        p.start("cascade-cost", "Cascade: cost", "What requests cost, and what the large tier alone would."),
        [
            Row("Does it pay?"),
            p.stat(
                "Requests answered",
                "Complete, in review or degraded, from the cache too. Rejected and failed ones are in no figure.",
                (q.answered(q.RANGE), "requests"),
                decimals=0,
            ),
            p.stat(
                "Cost of 1,000 requests",
                "Marginal cost of the work, and what the large tier alone would have cost for the same requests.",
                (f"1000 * {q.per_answered(q.cost(q.RANGE), q.RANGE)}", "cascade, {{currency}}"),
                (f"1000 * {q.per_answered(q.always_large(q.RANGE), q.RANGE)}", "always large, {{currency}}"),
                unit="none",
            ),
            p.stat(
                "Saved",
                "Share of what asking the large tier for every answered request would have cost. Below zero the "
                "cascade costs more than it saves. Marginal: the machine is saved only when the machines become "
                "fewer. Answers in review are in it too.",
                (q.saved_share(q.RANGE), "{{currency}}"),
                unit=p.SHARE,
                decimals=1,
                thresholds=p.GOOD_ABOVE_ZERO,
            ),
            p.stat(
                "Money saved",
                "What the large tier alone would have cost, less what was spent on requests; and less audits too.",
                (q.saved(q.RANGE), "{{currency}}"),
                (q.saved_after_audits(q.RANGE), "after audits, {{currency}}"),
                unit="none",
                thresholds=p.GOOD_ABOVE_ZERO,
            ),
            p.stat(
                "Reached the large tier",
                "p: the share of answered requests that needed it. Cost is about rules + s + p.",
                (q.reached("large", q.RANGE), "p"),
                unit=p.SHARE,
                decimals=1,
            ),
            p.stat(
                "Answered with a guarantee",
                "Share of fields accepted under the tested quality target. The rest is marked for review, or on a "
                "rule author's word.",
                (q.fields(q.RANGE, q.GUARANTEED), "fields"),
                unit=p.SHARE,
                decimals=1,
            ),
            Row("Where the money goes"),
            p.lines(
                "Cost of 1,000 requests, by tier",
                "Overhead is everything around the tiers: HTTP, JSON, queues.",
                (f"1000 * {q.per_answered(q.cost(q.STEP, 'tier, currency'), q.STEP)}", "{{tier}}, {{currency}}"),
                unit="none",
                stacked=True,
            ),
            p.lines(
                "Share saved",
                "Of what the large tier alone would have cost.",
                (q.saved_share(q.STEP, "task, currency"), "{{task}}, {{currency}}"),
                unit=p.SHARE,
                top=1,
            ),
            p.table(
                "By task",
                "The first row's figures for each task.",
                {
                    "requests": (q.answered(q.RANGE, "task"), "short"),
                    "cost of 1,000": (f"1000 * {q.per_answered(q.cost(q.RANGE, BY_TASK), q.RANGE, 'task')}", "none"),
                    "always large": (
                        f"1000 * {q.per_answered(q.always_large(q.RANGE, BY_TASK), q.RANGE, 'task')}",
                        "none",
                    ),
                    "saved": (q.saved_share(q.RANGE, BY_TASK), p.SHARE),
                    "p (large)": (q.reached("large", q.RANGE, "task"), p.SHARE),
                    "with guarantee": (q.fields(q.RANGE, q.GUARANTEED, "task"), p.SHARE),
                },
                labels={"task": "task", "currency": "currency"},
                height=p.LOW_HEIGHT,
            ),
            p.bars(
                "Fields that sent requests to the large tier",
                "Share of each field's answers that it was asked for. One such field makes the whole request dear.",
                (q.field_escalation(q.RANGE, "large"), "{{task}}/{{field}}"),
                height=p.LOW_HEIGHT,
                unit=p.SHARE,
                top=1,
            ),
            p.bars(
                "Fields answered with a guarantee",
                "Share of each field's answers that were accepted under the quality target.",
                (q.fields(q.RANGE, q.GUARANTEED, "task, field"), "{{task}}/{{field}}"),
                height=p.LOW_HEIGHT,
                unit=p.SHARE,
                top=1,
            ),
            Row("Machines and budget"),
            p.stat(
                "Machine, for 1,000 requests",
                "Provisioned cost: what the instance cost while it served these requests, idle time too. Needs "
                "CASCADE_INSTANCE_PRICE_PER_HOUR. All tasks together. It falls only when the machines become fewer.",
                (
                    "1000 * sum by (currency) (increase(cascade_instance_cost_total[$__range])) / on () group_left () "
                    f"(sum (increase(cascade_requests_total{{{q.ANSWERED}}}[$__range])) > 0)",
                    "{{currency}}",
                ),
                unit="none",
            ),
            p.stat(
                "Utilisation",
                "CPU seconds of requests over those there were.",
                ("max(cascade_utilisation_ratio)", ""),
                unit=p.SHARE,
            ),
            p.stat(
                "s: student relative to large",
                "What the student costs where it is asked, over what the large tier alone costs a request.",
                (q.student_cost_share(q.RANGE), "{{currency}}"),
                unit=p.SHARE,
                decimals=1,
            ),
            p.stat(
                "A month at this pace",
                "What the last day cost, times 30, and the budget of deploy/prometheus/objectives.yml. All tasks.",
                ("30 * sum by (currency) (increase(cascade_cost_total[1d]))", "a month, {{currency}}"),
                (BUDGET, "budget, {{currency}}"),
                unit="none",
                width=6,
            ),
            p.stat(
                "Energy of 1,000 requests",
                "Estimated from CPU and GPU seconds (docs/cost.md).",
                (
                    f"1000 * {JOULES} / ({q.answered(q.RANGE)} > 0)",
                    "joules",
                ),
                unit="joule",
                width=6,
            ),
        ],
    )
