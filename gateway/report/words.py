"""Figures as people read them, the same in the terminal and on the page."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.report.figures import Fields, Money, Part, Report

NOTHING = "–"
#: Money is shown for so many requests: one costs millionths.
REQUESTS = 1_000_000
COST = "cost of a million requests"
#: What the words of the headline mean; ``docs/dashboard.md`` says it at more length.
DEFINITIONS = (
    ("saved (marginal)", "what asking the large tier for every answered document would have cost, less what the work "
     "did cost; answers in review are in it, and somebody still has to look at them"),
    ("the machine", "what the instance did cost in the same time, idle or not, at the price an hour that the operator "
     "states (CASCADE_INSTANCE_PRICE_PER_HOUR)"),
    ("utilisation", "CPU seconds of requests over those the machine had, in the last hour or since the start"),
    ("p", "the share of answered requests for which the large tier was asked"),
    ("s", "what the student costs where it is asked, relative to the large tier; the cascade costs about "
     "rules + s + p of always large"),
    ("with a guarantee", "accepted under the tested quality target"),
)  # fmt: skip
MARGINAL = (
    "Saved is marginal: the work done, at its prices. The machine is paid for whether it works or not. A cascade saves "
    "the first at once. It saves the second only when the machines become fewer."
)
IN_REVIEW = "An answer in review saved money by not answering: read what was saved beside the share of them."


@dataclass(frozen=True)
class Table:
    """A table with its heading row; the first ``left`` columns hold words, the others figures."""

    title: str
    rows: Sequence[Sequence[str]]
    left: int = 1


def share(value: float | None) -> str:
    """``0.287`` as ``28.7 %``."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def money(value: float | None, currency: str = "") -> str:
    """Two decimals, none from 1,000 on, and of less than 0.1 two digits: amounts lie between millionths and
    thousands."""
    if value is None:
        return NOTHING
    if value == 0 or abs(value) >= 0.1:
        decimals = 2 if abs(value) < 1000 else 0
    else:
        decimals = min(12, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f} {currency}".strip()


def since(report: Report) -> str:
    """When the service started, in UTC."""
    if report.started is None:
        return "the service started"
    return f"{datetime.datetime.fromtimestamp(report.started, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def headline(report: Report) -> list[tuple[str, str]]:
    """The figures a newcomer reads first."""
    total = report.total
    lines = [("requests answered", f"{total.answered:,}"), ("requests not answered", _not_answered(total))]
    for paid in total.money:
        # What waits in review belongs beside what was saved.
        lines += [
            (COST, money(_times(paid.cost_per_request), paid.currency)),
            ("  the large tier alone", money(_times(paid.always_large_per_request), paid.currency)),
            ("saved (marginal)", f"{share(paid.saved_share)}, {money(paid.saved, paid.currency)}"),
            ("answers in review or degraded", share(total.review_share)),
        ]
        if paid.machine is not None:
            lines += _machine(report, paid)
        if paid.student_share is not None:
            lines.append(("s (student relative to large)", share(paid.student_share)))
    lines += [(f"reached the {tier} tier{sign}", share(value)) for tier, sign, value in _tiers(total)]
    lines += [
        ("fields answered with a guarantee", share(total.fields.with_guarantee_share)),
        ("fields on an author's word", share(total.fields.on_authors_word_share)),
        ("fields in review", share(total.fields.in_review_share)),
    ]
    return lines


def remarks(report: Report) -> list[str]:
    """What has to be said beside the headline, and for what the figures must not be taken."""
    said = []
    if any(paid.machine is not None for paid in report.total.money):
        said.append(MARGINAL)
    if report.total.review_share:
        said.append(IN_REVIEW)
    return said


def _machine(report: Report, paid: Money) -> list[tuple[str, str]]:
    each = money(_times(paid.machine_per_request), paid.currency)
    lines = [("the machine", f"{money(paid.machine, paid.currency)}, {each} for a million requests")]
    if paid.machine is not None and paid.always_large:
        lines.append(("  the machine over always large", f"{money(paid.machine / paid.always_large)} times"))
    return [*lines, ("utilisation", share(report.utilisation_share))]


def _not_answered(part: Part) -> str:
    found = ", ".join(f"{count:,} {status}" for status, count in part.not_answered.items() if count)
    return found or "0"


def tables(report: Report) -> Iterator[Table]:
    """Cost by task and by tier, and fields."""
    heading = ["task", "requests", "not answered", COST, "always large", "currency", "saved", "in review", "p (large)"]
    rows = [[*heading, "with guarantee"]]
    for task, part in report.tasks.items():
        if not part.answered:
            continue
        for paid in part.money:
            rows.append(
                [
                    task,
                    f"{part.answered:,}",
                    f"{sum(part.not_answered.values()):,}",
                    money(_times(paid.cost_per_request)),
                    money(_times(paid.always_large_per_request)),
                    paid.currency,
                    share(paid.saved_share),
                    share(part.review_share),
                    share(part.reached_share.get("large")),
                    share(part.fields.with_guarantee_share),
                ]
            )
    yield Table("By task", rows)
    yield Table(
        "By tier",
        [["tier", "cost", "currency", "share of cost"]]
        + [
            [tier, money(amount), paid.currency, share(amount / paid.cost if paid.cost else None)]
            for paid in report.total.money
            for tier, amount in paid.by_tier.items()
        ],
    )
    yield Table(
        "By field",
        [["task", "field", "to student", "to large", "with guarantee", "in review"]]
        + [
            [task, name, *_shares(found)]
            for task, names in report.task_fields.items()
            for name, found in names.items()
            if found.total
        ],
        left=2,
    )


def _shares(found: Fields) -> list[str]:
    shares = (
        found.reached_student_share,
        found.reached_large_share,
        found.with_guarantee_share,
        found.in_review_share,
    )
    return [share(value) for value in shares]


def _tiers(part: Part) -> list[tuple[str, str, float | None]]:
    signs = {"student": "", "large": " (p)"}
    return [(tier, sign, part.reached_share.get(tier)) for tier, sign in signs.items() if tier in part.reached_share]


def _times(value: float | None) -> float | None:
    return None if value is None else value * REQUESTS
