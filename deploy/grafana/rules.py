"""*Rules*: what rules find, what they cost in time, and whether edits take effect."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana import panels as p
from deploy.grafana import queries as q

RULES, ACCEPTED = 'tier="rules"', f'outcome=~"{q.ACCEPTED}"'
MATCHES = q.increase("cascade_rule_matches_total", q.RANGE, q.TASK, by="task, rule")
# Whoever reached the large tier was at the student before, where there is one.
ALONE = f"1 - (max({q.escalation(q.RANGE)}) or 0 * ({q.answered(q.RANGE, '')} > 0))"


def dashboard() -> Dashboard:
    """The dashboard."""
    return p.filled(
        p.start("cascade-rules", "Cascade: rules", "What rules find, and whether edits take effect."),
        [
            Row("In force"),
            p.stat(
                "Generation",
                "The newest generation of each task's rules.",
                ('max by (task) (cascade_rules_generation_published{task=~"$task"})', "{{task}}"),
                decimals=0,
            ),
            p.stat(
                "Behind",
                "Generations that the slowest worker is behind.",
                (
                    'max by (task) (cascade_rules_generation_published{task=~"$task"})'
                    ' - min by (task) (cascade_rules_generation{task=~"$task"})',
                    "{{task}}",
                ),
                decimals=0,
                thresholds=p.ALARM_ABOVE_ZERO,
            ),
            p.stat(
                "Convergence",
                "From a generation's publication until the last worker had it.",
                ('max by (task) (cascade_rules_convergence_seconds{task=~"$task"})', "{{task}}"),
                unit=p.SECONDS,
            ),
            p.stat(
                "Problems",
                "Files on disk that are not in force because something is wrong with them; /readyz names them.",
                ('max by (task) (cascade_config_problems{task=~"$task"})', "{{task}}"),
                decimals=0,
                thresholds=p.ALARM_ABOVE_ZERO,
            ),
            p.stat(
                "Set aside",
                "Rules that kept running out of time and are not run any more.",
                ('max by (task) (cascade_rules_set_aside{task=~"$task"}) or max(up{job="cascade"}) * 0', "{{task}}"),
                decimals=0,
                thresholds=p.ALARM_ABOVE_ZERO,
            ),
            p.stat(
                "Answered by rules alone",
                "Share of answered requests that reached no other tier.",
                (ALONE, ""),
                unit=p.SHARE,
                decimals=1,
            ),
            Row("What they find"),
            p.bars(
                "Rules that match most",
                "Documents in which a rule found a candidate, whether it decides or is only shown.",
                (
                    f"topk(20, {q.increase('cascade_rule_matches_total', q.RANGE, q.TASK, by='task, rule')})",
                    "{{task}}: {{rule}}",
                ),
            ),
            p.lines(
                "Fields answered by rules",
                "Share of all answers that stand on rules, by field.",
                (
                    f"{q.rate('cascade_fields_total', q.TASK, RULES, ACCEPTED, by='task, field')} / "
                    f"({q.rate('cascade_fields_total', q.TASK, by='task, field')} > 0)",
                    "{{task}}/{{field}}",
                ),
                unit=p.SHARE,
                top=1,
            ),
            p.lines(
                "Matches",
                "A second.",
                (q.rate("cascade_rule_matches_total", q.TASK, by="task, rule"), "{{task}}: {{rule}}"),
            ),
            p.lines(
                "Filtered documents",
                "A second; a filter kept them from being extracted from.",
                (q.rate("cascade_filtered_total", q.TASK, by="task, filter"), "{{task}}: {{filter}}"),
            ),
            Row("Time and edits"),
            p.lines(
                "Duration of the rules",
                "Wall time of asking the rules.",
                (q.quantile(0.5, "cascade_tier_duration_seconds", q.STEP, q.TASK, RULES), "median"),
                (q.quantile(0.99, "cascade_tier_duration_seconds", q.STEP, q.TASK, RULES), "99 %"),
                unit=p.SECONDS,
                width=8,
            ),
            p.lines(
                "Timeouts",
                "Rules given up on a text, a second. The field escalates.",
                (q.rate("cascade_rule_timeouts_total", q.TASK, by="task, rule"), "{{task}}: {{rule}}"),
                width=8,
            ),
            p.lines(
                "Edits",
                "Changes of a task's files, by what came of them.",
                (q.increase("cascade_config_reloads_total", q.STEP, by="result"), "{{result}}"),
                width=8,
            ),
        ],
    )
