"""*Quality*: whether the promise still holds, as far as audits, people and the documents themselves can tell."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana import panels as p
from deploy.grafana import queries as q

NO = 'agree="no"'
AUDITS = q.increase("cascade_audit_total", q.RANGE, q.TASK)
AT_LEAST = 'max by (task, field) (task_field:cascade_audit_disagreement:lower1w{task=~"$task"})'
ALLOWED = 'max by (task, field) (task_field:cascade_audit_allowed_disagreement:ratio1w{task=~"$task"})'


def disagreement(window: str) -> str:
    """Share of audits that disagreed, by field."""
    audits = q.increase("cascade_audit_total", window, q.TASK, by="task, field")
    return q.share(q.increase("cascade_audit_total", window, q.TASK, NO, by="task, field"), audits)


def dashboard() -> Dashboard:
    """The dashboard."""
    return p.filled(
        p.start("cascade-quality", "Cascade: quality", "Audits, feedback and traffic (docs/audit.md).", since="now-7d"),
        [
            Row("Is the promise kept?"),
            p.stat(
                "In doubt",
                "Fields whose sequential test says that more accepted answers are wrong than was promised.",
                ('sum(max by (task, field) (cascade_quality_doubt{task=~"$task"}))', "fields"),
                decimals=0,
                thresholds=p.ALARM_ABOVE_ZERO,
                width=6,
            ),
            p.stat(
                "Other documents",
                "Tasks whose documents no longer look like those the quality was measured on.",
                ('sum(max by (task) (cascade_traffic_shift{task=~"$task"}))', "tasks"),
                decimals=0,
                thresholds=p.ALARM_ABOVE_ZERO,
                width=6,
            ),
            p.stat(
                "Audits",
                "Accepted answers audited.",
                (q.increase("cascade_audit_total", q.RANGE, q.TASK), "audits"),
                decimals=0,
                width=6,
            ),
            p.stat(
                "What audits did cost",
                "In no other figure of cost but *Money saved*, after audits.",
                (q.increase("cascade_audit_cost_total", q.RANGE, q.TASK, by="currency"), "{{currency}}"),
                unit="none",
                width=6,
            ),
            Row("Audits and feedback"),
            p.table(
                "Audits by field",
                "Disagreement is not error: the auditor may be wrong (docs/audit.md). `at least` is the lower end of a "
                "95 % interval over a week, of the audits that are held against a measured limit, and `allowed` is "
                "that limit. Without `cascade audit reference` there is neither, and audits by the large tier test "
                "nothing.",
                {
                    "audits": (q.increase("cascade_audit_total", q.RANGE, q.TASK, by="task, field"), p.NUMBER),
                    "disagreed": (
                        disagreement(q.RANGE),
                        p.SHARE,
                    ),
                    "at least": (AT_LEAST, p.SHARE),
                    "allowed": (ALLOWED, p.SHARE),
                },
                labels={"task": "task", "field": "field"},
                width=12,
            ),
            p.lines(
                "Disagreement",
                "Share of audits.",
                (
                    disagreement(q.STEP),
                    "{{task}}/{{field}}",
                ),
                unit=p.SHARE,
                top=1,
            ),
            p.lines(
                "Feedback",
                "Corrections and confirmations, a second.",
                (q.rate("cascade_feedback_total", q.TASK, by="verdict"), "{{verdict}}"),
            ),
            p.lines(
                "Audits dropped",
                "Drawn and not audited. If one reason dominates, what remains is no fair sample.",
                (q.rate("cascade_audit_dropped_total", q.TASK, by="reason"), "{{reason}}"),
            ),
        ],
    )
