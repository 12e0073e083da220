"""Figures as people read them, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.report.figures import Fields, Part, Report

NOTHING = "–"
#: A money column is for so many requests: one costs millionths.
REQUESTS = 1000


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
    """Four digits: amounts lie between millionths and thousands."""
    if value is None:
        return NOTHING
    return f"{value:,.4g} {currency}".strip() if abs(value) < 10000 else f"{value:,.0f} {currency}".strip()


def headline(report: Report) -> list[tuple[str, str]]:
    """The figures a newcomer reads first."""
    total = report.total
    lines = [("requests answered", f"{total.answered:,.0f}")]
    for paid in total.money:
        lines += [
            (f"cost of {REQUESTS:,} requests", money(_times(paid.cost_per_request), paid.currency)),
            ("  the large tier alone", money(_times(paid.always_large_per_request), paid.currency)),
            ("saved", f"{share(paid.saved_share)}, {money(paid.saved, paid.currency)}"),
        ]
        if paid.machine is not None:
            each = money(_times(paid.machine_per_request), paid.currency)
            lines.append(("the machine", f"{money(paid.machine, paid.currency)}, {each} for {REQUESTS:,} requests"))
        if paid.student_share is not None:
            lines.append(("s (student relative to large)", share(paid.student_share)))
    lines += [(f"reached the {tier} tier", share(value)) for tier, value in _tiers(total)]
    lines += [
        ("fields answered with a guarantee", share(total.fields.with_guarantee)),
        ("fields on an author's word", share(total.fields.on_authors_word)),
        ("fields in review", share(total.fields.in_review)),
    ]
    return lines


def tables(report: Report) -> Iterator[Table]:
    """Cost by task and by tier, and fields."""
    rows = [["task", "requests", f"cost of {REQUESTS:,}", "always large", "currency", "saved", "p (large)", "accepted"]]
    for task, part in report.tasks.items():
        if not part.answered:
            continue
        for paid in part.money:
            rows.append(
                [
                    task,
                    f"{part.answered:,.0f}",
                    money(_times(paid.cost_per_request)),
                    money(_times(paid.always_large_per_request)),
                    paid.currency,
                    share(paid.saved_share),
                    share(part.escalation.get("large")),
                    share(part.fields.with_guarantee),
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
    return [
        share(value) for value in (found.reached_student, found.reached_large, found.with_guarantee, found.in_review)
    ]


def _tiers(part: Part) -> list[tuple[str, float | None]]:
    return [(tier, part.escalation.get(tier)) for tier in ("student", "large") if tier in part.escalation]


def _times(value: float | None) -> float | None:
    return None if value is None else value * REQUESTS
