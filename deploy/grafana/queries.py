"""What the dashboards' figures mean, as PromQL; docs/dashboard.md says the same in words.

Every function takes the window of ``increase()``: ``$__range`` for one figure over what the dashboard shows,
``$__rate_interval`` for a line. ``by`` are labels to keep. `cascade cost` computes the same figures
(:mod:`gateway.report.figures`), and a test compares them on a real Prometheus.
"""

from __future__ import annotations

RANGE, STEP = "$__range", "$__rate_interval"
TASK = 'task=~"$task"'
ANSWERED = 'status=~"complete|review|degraded"'


def increase(metric: str, window: str, *matchers: str, by: str = "") -> str:
    """By how much a counter grew within the window, summed over everything but ``by``."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({metric}{{{', '.join(matchers)}}}[{window}]))"


def answered(window: str, by: str = "") -> str:
    """Requests that got an answer: complete, in review or degraded; from the cache too."""
    return increase("cascade_requests_total", window, TASK, ANSWERED, by=by)


def answered_in(window: str) -> str:
    """Answered requests by the currency of their tasks: those of other currencies cost something else."""
    tasks = f"group by (task, currency) (last_over_time(cascade_cost_total{{{TASK}}}[{window}]))"
    return f"sum by (currency) ({tasks} * on (task) group_left () {answered(window, 'task')})"


def cost(window: str, by: str = "currency") -> str:
    """Marginal cost of answered requests."""
    return increase("cascade_cost_total", window, TASK, by=by)


def always_large(window: str, by: str = "currency") -> str:
    """What the large tier alone would have cost for them, where that is known."""
    return increase("cascade_cost_always_large_total", window, TASK, by=by)


def per_answered(money: str, window: str, by: str = "") -> str:
    """Money over the answered requests of its currency, or of each task. Labels beyond ``by`` stay; no requests, no
    figure."""
    on = f"on ({by or 'currency'}) group_left ()"
    return f"{money} / {on} ({answered(window, by) if by else answered_in(window)} > 0)"


def saved(window: str, by: str = "currency") -> str:
    """``always_large`` less what was spent, over the tasks for which ``always_large`` is known: both sides match by
    task, so that a task without an estimate neither saves nor loses."""
    return f"sum by ({by}) ({always_large(window, 'task, currency')} - {cost(window, 'task, currency')})"


def saved_after_audits(window: str, by: str = "currency") -> str:
    """Saved money less what audits did cost, which is in no request's cost."""
    money = saved(window, by)
    return f"{money} - ({increase('cascade_audit_cost_total', window, TASK, by=by)} or 0 * {money})"


def saved_share(window: str, by: str = "currency") -> str:
    """Saved money over ``always_large``."""
    return f"{saved(window, by)} / ({always_large(window, by)} > 0)"


def share(part: str, whole: str) -> str:
    """One increase over another. What never happened has no series: it is none of the whole, not unknown."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def escalation(window: str, by: str = "tier") -> str:
    """Share of answered requests that reached a tier behind the rules. ``by`` must hold ``tier``."""
    others = ", ".join(label.strip() for label in by.split(",") if label.strip() != "tier")
    reached = increase("cascade_tier_requests_total", window, TASK, 'tier!="rules"', by=by)
    return f"{reached} / on ({others}) group_left () ({answered(window, others)} > 0)"


def reached(tier: str, window: str, by: str = "") -> str:
    """Share of answered requests that reached one tier."""
    counted = increase("cascade_tier_requests_total", window, TASK, f'tier="{tier}"', by=by)
    return share(counted, answered(window, by))


def student_cost_share(window: str) -> str:
    """s: what the student costs where it is asked, relative to the large tier alone."""
    student = increase("cascade_cost_total", window, TASK, 'tier="student"', by="currency")
    tasks = f"group by (task, currency) (last_over_time(cascade_cost_total{{{TASK}}}[{window}]))"
    reached = increase("cascade_tier_requests_total", window, TASK, 'tier="student"', by="task")
    asked = f"sum by (currency) ({tasks} * on (task) group_left () {reached})"
    each = f"{student} / ({asked} > 0)"
    return f"({each}) / ({per_answered(always_large(window), window)})"


def fields(window: str, outcome: str, by: str = "") -> str:
    """Share of fields with an outcome (a regular expression). Answers from the cache are not in it."""
    counted = increase("cascade_fields_total", window, TASK, f'outcome=~"{outcome}"', by=by)
    return share(counted, increase("cascade_fields_total", window, TASK, by=by))


#: Accepted under the tested promise; and whatever was accepted, on a rule author's word too.
GUARANTEED, ACCEPTED = "accepted|absent", "accepted|accepted-author|absent"


def field_escalation(window: str, to_tier: str, by: str = "task, field") -> str:
    """Share of fields that were passed on to a tier."""
    passed = increase("cascade_escalations_total", window, TASK, f'to_tier="{to_tier}"', by=by)
    return share(passed, increase("cascade_fields_total", window, TASK, by=by))


def quantile(q: float, metric: str, window: str, *matchers: str, by: str = "") -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {increase(f'{metric}_bucket', window, *matchers, by=labels)})"


def rate(metric: str, *matchers: str, by: str = "", window: str = STEP) -> str:
    """A counter's growth a second."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}{{{', '.join(matchers)}}}[{window}]))"
