"""The headline figures of a running service: what requests cost, what that saved, and what was escalated.

``cascade cost`` and the page ``/cost`` show them; the dashboards compute the same ones in PromQL
(``deploy/grafana/queries.py``), and a test holds them against each other on a real Prometheus. ``docs/dashboard.md``
defines each in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.report.samples import Samples

ANSWERED, UNSETTLED = ("complete", "review", "degraded"), ("review", "degraded")
#: Accepted under the tested promise; the word of a rule's author is not.
GUARANTEED = ("accepted", "absent")
ON_AUTHORS_WORD, IN_REVIEW = ("accepted-author",), ("review", "nothing-found")


@dataclass(frozen=True)
class Money:
    """What requests cost in one currency; ``None`` where it is not known.

    ``requests`` are the answered ones of the tasks in that currency. ``saved`` is over the tasks for which
    ``always_large`` is known, and marginal. ``machine`` is what the instance cost in the same time, idle time included
    (provisioned cost), whatever the currency of the tasks it worked for.
    """

    currency: str
    requests: int
    cost: float
    always_large: float | None
    saved: float | None
    saved_share: float | None
    cost_per_request: float | None
    always_large_per_request: float | None
    by_tier: Mapping[str, float]
    machine: float | None = None
    machine_per_request: float | None = None
    #: s: the student where it is asked, relative to the large tier alone.
    student_share: float | None = None


@dataclass(frozen=True)
class Fields:
    """Shares of the fields that were answered (answers from the cache are not counted); ``None`` without any."""

    total: int
    with_guarantee_share: float | None
    on_authors_word_share: float | None
    in_review_share: float | None
    reached_student_share: float | None = None
    reached_large_share: float | None = None


@dataclass(frozen=True)
class Part:
    """The figures of one task, or of all.

    ``not_answered``: status to requests. ``review_share``: answers in review or degraded, over all: somebody has to
    look at them still. ``reached_share``: tier to the share of answered requests that it was asked for.
    """

    answered: int
    not_answered: Mapping[str, int]
    review_share: float | None
    reached_share: Mapping[str, float]
    money: tuple[Money, ...]
    fields: Fields


@dataclass(frozen=True)
class Report:
    """Everything: all tasks together, each task, and each field of each task. ``started``: when the service did, as
    seconds since 1970; ``utilisation_share``: of its cores, in the last hour."""

    total: Part
    tasks: Mapping[str, Part] = field(default_factory=dict)
    task_fields: Mapping[str, Mapping[str, Fields]] = field(default_factory=dict)
    utilisation_share: float | None = None
    started: float | None = None


def report(samples: Samples) -> Report:
    """The figures of a scrape, or of what happened between two (:meth:`Samples.since`)."""
    tasks = sorted({task for (task,) in samples.by("cascade_requests_total", "task")})
    names = sorted(samples.by("cascade_fields_total", "task", "field"))
    return Report(
        _part(samples, {}, machine=True),
        {task: _part(samples, {"task": task}) for task in tasks},
        {
            task: {name: _fields(samples, {"task": task, "field": name}) for owner, name in names if owner == task}
            for task in tasks
        },
        _gauge(samples, "cascade_utilisation_ratio"),
        _gauge(samples, "cascade_start_time_seconds"),
    )


def _part(samples: Samples, of: Mapping[str, str], *, machine: bool = False) -> Part:
    statuses = samples.by("cascade_requests_total", "status", **of)
    answered = round(sum(count for (status,), count in statuses.items() if status in ANSWERED))
    unsettled = sum(count for (status,), count in statuses.items() if status in UNSETTLED)
    reached = samples.by("cascade_tier_requests_total", "tier", **of)
    currencies = sorted({currency for (currency,) in samples.by("cascade_cost_total", "currency", **of)})
    return Part(
        answered,
        {status: round(count) for (status,), count in statuses.items() if status not in ANSWERED},
        _over(unsettled, answered),
        {tier: count / answered for (tier,), count in reached.items() if tier != "rules"} if answered else {},
        tuple(_money(samples, of, currency, machine=machine) for currency in currencies),
        _fields(samples, of),
    )


def _money(samples: Samples, of: Mapping[str, str], currency: str, *, machine: bool) -> Money:
    wanted = {**of, "currency": currency}
    spent = samples.by("cascade_cost_total", "task", **wanted)
    large = samples.by("cascade_cost_always_large_total", "task", **wanted)
    by_tier = {tier: amount for (tier,), amount in samples.by("cascade_cost_total", "tier", **wanted).items()}
    saved = sum(amount - spent[task] for task, amount in large.items() if task in spent) if large else None
    always_large = sum(large.values()) if large else None
    instance = samples.by("cascade_instance_cost_total", "currency", currency=currency) if machine else {}
    paid = next(iter(instance.values()), None)
    # Requests in other currencies cost something else.
    in_currency = {"task": tuple(task for (task,) in spent)}
    answered = round(samples.total("cascade_requests_total", status=ANSWERED, **in_currency))
    everybody = samples.total("cascade_requests_total", status=ANSWERED, **of)
    asked = samples.total("cascade_tier_requests_total", tier="student", **in_currency)
    large_each = _over(always_large, answered)
    return Money(
        currency,
        answered,
        sum(spent.values()),
        always_large,
        saved,
        _over(saved, always_large),
        _over(sum(spent.values()), answered),
        large_each,
        by_tier,
        paid,
        _over(paid, everybody),
        _over(_over(by_tier.get("student"), asked), large_each),
    )


def _fields(samples: Samples, of: Mapping[str, str]) -> Fields:
    name = "cascade_fields_total"
    total = samples.total(name, **of)
    passed = samples.by("cascade_escalations_total", "to_tier", **of)
    return Fields(
        round(total),
        _over(samples.total(name, outcome=GUARANTEED, **of), total),
        _over(samples.total(name, outcome=ON_AUTHORS_WORD, **of), total),
        _over(samples.total(name, outcome=IN_REVIEW, **of), total),
        _over(passed.get(("student",), 0.0), total),
        _over(passed.get(("large",), 0.0), total),
    )


def _gauge(samples: Samples, name: str) -> float | None:
    return next(iter(samples.values.get(name, {}).values()), None)


def _over(amount: float | None, whole: float | None) -> float | None:
    return None if amount is None or not whole else amount / whole
