"""*Escalation*: which field of which task is passed on, to which tier, and why."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana import panels as p
from deploy.grafana import queries as q


def dashboard() -> Dashboard:
    """The dashboard."""
    return p.filled(
        p.start("cascade-escalation", "Cascade: escalation", "What is passed on to dearer tiers, and why."),
        [
            Row("How much"),
            p.stat(
                "Reached a tier",
                "Share of answered requests that reached the student, and the large tier.",
                (q.escalation(q.RANGE), "{{tier}}"),
                unit=p.SHARE,
                decimals=1,
                width=6,
            ),
            p.stat(
                "The same in the week before",
                "From the recording rules; the alert on a rise compares the last hour with it.",
                ('sum by (task, tier) (task_tier:cascade_escalation:ratio1w{task=~"$task"})', "{{task}}, {{tier}}"),
                unit=p.SHARE,
                decimals=1,
                width=6,
            ),
            p.stat(
                "In review",
                "Share of fields that no tier could be trusted with.",
                (q.fields(q.RANGE, "review|nothing-found"), "fields"),
                unit=p.SHARE,
                decimals=1,
                width=6,
            ),
            p.stat(
                "On an author's word",
                "Share of fields that were accepted because a rule's author states a precision that was not measured.",
                (q.fields(q.RANGE, "accepted-author"), "fields"),
                unit=p.SHARE,
                decimals=1,
                width=6,
            ),
            p.lines(
                "Requests that reached a tier",
                "Share of answered requests.",
                (q.escalation(q.STEP, "task, tier"), "{{task}}, {{tier}}"),
                unit=p.SHARE,
                top=1,
            ),
            p.lines(
                "Fields, by the tier whose answer is given",
                "A second; `none`: nothing was found.",
                (q.rate("cascade_fields_total", q.TASK, by="tier"), "{{tier}}"),
                stacked=True,
            ),
            Row("Which field, and why"),
            p.table(
                "By field",
                "Shares of the field's answers.",
                {
                    "to student": (q.field_escalation(q.RANGE, "student"), p.SHARE),
                    "to large": (q.field_escalation(q.RANGE, "large"), p.SHARE),
                    "with guarantee": (q.fields(q.RANGE, q.GUARANTEED, "task, field"), p.SHARE),
                    "in review": (q.fields(q.RANGE, "review|nothing-found", "task, field"), p.SHARE),
                },
                labels={"task": "task", "field": "field"},
                width=12,
            ),
            p.bars(
                "Why",
                "Fields passed on, by reason (docs/metrics.md lists them).",
                (
                    q.increase("cascade_escalations_total", q.RANGE, q.TASK, by="from_tier, to_tier, reason"),
                    "{{from_tier}} → {{to_tier}}: {{reason}}",
                ),
            ),
            p.lines(
                "Fields passed on, by field and reason",
                "A second.",
                (
                    q.rate("cascade_escalations_total", q.TASK, by="task, field, reason"),
                    "{{task}}/{{field}}: {{reason}}",
                ),
                stacked=True,
                width=24,
            ),
            Row("Confidence"),
            *[
                p.heatmap(
                    f"Confidence: {tier}",
                    "Of answers that hold a value, in review or not. A cloud that moves down is a sign of other "
                    "documents.",
                    q.increase("cascade_confidence_ratio_bucket", q.STEP, q.TASK, f'tier="{tier}"', by="le"),
                    width=8,
                )
                for tier in ("rules", "student", "large")
            ],
            p.lines(
                "Mean confidence, by field",
                "Of answers that hold a value.",
                (
                    f"{q.rate('cascade_confidence_ratio_sum', q.TASK, by='task, field')} / "
                    f"({q.rate('cascade_confidence_ratio_count', q.TASK, by='task, field')} > 0)",
                    "{{task}}/{{field}}",
                ),
                unit=p.SHARE,
                width=24,
                top=1,
            ),
        ],
    )
