"""What a request may say, and what an answer looks like (the latter for the documentation; a test holds them to it)."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from gateway.cascade import Guarantee, State, Status, Verdict
from gateway.document import TierName


def _characters(value: str) -> str:
    # json.loads lets halves of surrogate pairs pass; nothing behind it could write them as UTF-8.
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in set(value)):
        raise ValueError("holds half of a surrogate pair (\\ud800 to \\udfff), which is no character")
    return value


Text = Annotated[str, AfterValidator(_characters)]
#: Most lines of a document, keys of a line, numbers or points of a value, and fields asked for. Like the first mistake
#: in a list, which ends its check, they bound the time it takes to refuse millions of them.
MOST_LINES, MOST_KEYS, MOST_NUMBERS, MOST_FIELDS = 50_000, 64, 1_000, 10_000
_Numbers = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=MOST_NUMBERS, fail_fast=True)]
#: A number, a text, or a list of numbers or points: what lines of recognised text carry.
LineValue = (
    Text
    | Annotated[float, Field(allow_inf_nan=False)]
    | bool
    | None
    | _Numbers
    | Annotated[list[_Numbers], Field(max_length=MOST_NUMBERS, fail_fast=True)]
)
_Names = Annotated[list[Annotated[Text, Field(max_length=200)]], Field(max_length=MOST_FIELDS, fail_fast=True)]
_Line = Annotated[dict[str, LineValue], Field(max_length=MOST_KEYS)]

REQUEST_EXAMPLES: tuple[dict[str, Any], ...] = (
    {
        "task": "receipts",
        "text": "KEDAI RUNCIT MUTIARA SDN BHD\n12, JALAN MELATI 3\n47100 PUCHONG\nDATE: 14/03/2018\nTOTAL RM 9.00",
    },
    {
        "task": "receipts",
        "id": "shop-17",
        "text": "KEDAI RUNCIT MUTIARA SDN BHD\nDATE: 14/03/2018\nTOTAL RM 9.00",
        "fields": ["total", "date"],
        "quality": 0.95,
        "max_tier": "student",
        "deadline_ms": 500,
        "explain": True,
    },
)


class ExtractRequest(BaseModel):
    """One document, and on what terms to answer."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": list(REQUEST_EXAMPLES)})

    task: Text = Field(max_length=200, description="Name of the task.")
    text: Text = Field(description="The document. Offsets in the answer count its Unicode code points.")
    id: Text | None = Field(None, max_length=256, description="Returned as it is.")
    fields: _Names | None = Field(None, description="The fields to answer. Default: all of the task.")
    quality: float | None = Field(
        None,
        ge=0.5,
        lt=1.0,
        allow_inf_nan=False,
        description="Share of accepted answers that must be right. Default: the task's.",
    )
    strict_quality: bool = Field(
        False,
        description="Refuse (`not-certified`) rather than answer in review when no certified target is enough.",
    )
    max_tier: Text | None = Field(
        None, max_length=200, description="The furthest tier to ask: `rules`, `student` or `large`."
    )
    budget: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Most money the request may cost, in the task's currency: a tier expected to exceed it is not "
        "asked.",
    )
    deadline_ms: float | None = Field(
        None,
        gt=0,
        le=3_600_000,
        allow_inf_nan=False,
        description="Milliseconds after which a tier that has not answered is given up (`degraded`).",
    )
    context: Text | None = Field(
        None, max_length=100_000, description="What was said before the text, for tasks that use it."
    )
    lines: Annotated[list[_Line], Field(max_length=MOST_LINES, fail_fast=True)] | None = Field(
        None, description="The text's lines with what is known of their place, for tasks that use it."
    )
    reference_date: str | None = Field(None, description="ISO 8601 date that relative dates refer to.")
    locale: str | None = Field(
        None,
        pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$",
        description="Language tag of the text, such as `en-MY`.",
    )
    explain: bool = Field(
        False, description="Add `explanation`: what each tier proposed for each field, and each decision."
    )

    @field_validator("reference_date")
    @classmethod
    def _iso_date(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                datetime.date.fromisoformat(value)
            except ValueError:
                raise ValueError("expected an ISO 8601 date such as 2018-03-14") from None
        return value


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(_Answer):
    """One value. `text` is verbatim, `value` the form labels use, `normalised` canonical."""

    text: str | None
    value: str | None
    normalised: str | None
    spans: list[tuple[int, int]] = Field(description="Start and end (exclusive) in Unicode code points.")
    source: str | None = Field(description="The rule or tier that found it.")


class _Judged(_Answer):
    state: State = Field(description="`review`: no allowed tier could be trusted with it.")
    present: bool = Field(description="Whether a value was found.")
    tier: TierName | None = Field(description="The tier that gave the answer.")
    confidence: float = Field(description="Probability that the answer is right.")
    guarantee: Guarantee = Field(
        description="The certified quality target behind an accepted answer; `author` where the rule's author vouches "
        "for it instead."
    )
    doubted: bool | None = Field(
        None, description="`true`: the quality promised for this field is in doubt, so no target is stated."
    )


class FieldAnswer(_Judged, Item):
    """The answer for a field with one value; everything is `null` where nothing was found."""


class ManyFieldAnswer(_Judged):
    """The answer for a field with any number of values."""

    items: list[Item]


class CostAnswer(_Answer):
    """Marginal cost of this request, and what the large tier alone would have cost. `amount` is the sum of `by_tier`
    and `overhead`."""

    amount: float
    currency: str
    always_large: float | None
    by_tier: dict[TierName, float]
    overhead: float = Field(description="Everything around the tiers: HTTP, JSON, the cascade, queues, metrics.")
    energy_joules: float = Field(description="Estimated energy of the machine and its data centre.")
    co2e_grams: float = Field(description="Estimated emissions of that energy.")
    provisioned: float | None = Field(
        None, description="This request's part of the machine's price, idle time included, where that is configured."
    )
    cached: bool | None = Field(None, description="`true`: given again from memory; no work was done.")


class Proposed(Item):
    """One candidate of one tier, with the tier's own uncalibrated score."""

    score: float


class DecisionAnswer(_Answer):
    """One decision; `threshold` is the probability that serves `target`."""

    tier: TierName
    answered: bool
    confidence: float
    target: float | None
    threshold: float | None
    verdict: Verdict


class WorkAnswer(_Answer):
    """What a tier spent on the document, its part of a shared batch; of the overhead only CPU seconds are known."""

    cpu_seconds: float
    gpu_seconds: float | None = None
    wall_seconds: float | None = None
    tokens: int | None = None
    batch_size: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    billed: float | None = Field(None, description="Money that others billed.")


class Explanation(_Answer):
    """How a field was decided: the tiers that counted, what each proposed (best first), and each decision."""

    chain: list[TierName]
    proposals: dict[TierName, list[Proposed]]
    decisions: list[DecisionAnswer]
    evidence: list[Proposed] = Field(
        default=[], description="What rules found that the policy has not measured; no part of any decision."
    )


class FilteredAnswer(_Answer):
    """Why no tier was asked: the id of a filter of the task, and what it saw."""

    id: str
    reason: str


class ExtractAnswer(_Answer):
    """The answer to one document. `degraded` (a tier was unavailable) > `review` > `complete`."""

    id: str | None
    task: str
    status: Status
    fields: dict[str, FieldAnswer | ManyFieldAnswer]
    tiers: list[TierName] = Field(description="The tiers that answered, in order.")
    escalated: dict[str, TierName] = Field(description="The furthest tier a field was passed on to.")
    cost: CostAnswer
    timing_ms: dict[str, float] = Field(description="Wall time by tier, and `total`.")
    versions: dict[str, str | int | None] = Field(description="Digests of everything that can change an answer.")
    filtered: FilteredAnswer | None = Field(None, description="The filter that kept the document from every tier.")
    unavailable: dict[TierName, str] | None = Field(None, description="Tiers that could not be asked, and why.")
    not_asked: dict[TierName, str] | None = Field(None, description="Tiers that `budget` did not cover, and why.")
    explanation: dict[str, Explanation] | None = Field(None, description="With `explain` only.")
    work: dict[TierName | Literal["overhead"], WorkAnswer] | None = Field(
        None, description="With `explain` only: what was spent, by tier."
    )


class ErrorBody(_Answer):
    """What went wrong: a stable code, a sentence, and facts."""

    code: str
    message: str
    detail: dict[str, Any] | None = None


class ErrorAnswer(_Answer):
    """The one shape of every error."""

    error: ErrorBody
