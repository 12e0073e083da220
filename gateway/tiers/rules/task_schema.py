"""The form of ``task.yaml`` as types, for editors and for findings with a line; ``gateway.task`` reads the file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.document import TierName
from gateway.task import MOST_PRICE, AuthorRules
from gateway.tiers.rules.schema import Part
from gateway.values import DecimalMark, ValueType

#: What fields and tasks may be called.
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
Quality = Annotated[float | int, Field(ge=0.5, lt=1)]
NullMeaning = Literal["absent", "unannotated"]
ModelTierName = Literal["student", "large"]


class TaskField(Part):
    """One thing to extract."""

    type: ValueType = Field("text", description="The type that its values must have.")
    many: bool = Field(False, description="Whether a document has any number of them.")
    description: str = Field("", description="For people, and for a large model that is asked in words.")
    null_means: NullMeaning | None = Field(None, description="What a label null stands for in this field's data.")
    quality: Quality | None = Field(None, description="The share of accepted answers that must be right.")


class TaskTierPrice(Part):
    """What a model tier of one's own costs beside its processor time."""

    per_call: float | int = Field(default=0.0, ge=0, le=MOST_PRICE, description="The price of one document.")
    input_per_1k: float | int = Field(
        default=0.0, ge=0, le=MOST_PRICE, description="The price of 1,000 tokens that it reads."
    )


class TaskPrices(Part):
    """What work costs."""

    currency: str = Field(default="USD", pattern="^[A-Z]{3}$", description="The currency of all amounts.")
    cpu_second: float | int = Field(
        default=1.25e-5, gt=0, le=MOST_PRICE, description="The price of one second of one processor core."
    )
    gpu_second: float | int = Field(
        default=2e-4, gt=0, le=MOST_PRICE, description="The price of one second of one GPU."
    )
    tiers: dict[ModelTierName, TaskTierPrice] = Field(
        default={}, description="What model tiers cost beside their processor time."
    )


class TaskFile(Part):
    """``rules/<task>/task.yaml``."""

    task: str | None = Field(None, pattern=NAME, description="The directory's name.")
    description: str = Field("", description="For people.")
    quality: Quality = Field(0.9, description="The share of accepted answers that must be right, unless a field says.")
    day_first: bool = Field(True, description="Whether 04/05/2018 is the 4th of May.")
    region: str | None = Field(None, pattern="^[A-Z]{2}$", description="ISO 3166 code of the documents' country.")
    decimal: DecimalMark = Field(".", description="The decimal mark of numbers.")
    closed_labels: bool = Field(False, description="Whether a label that is missing in data means absent.")
    null_means: NullMeaning = Field("absent", description="What a label null stands for, unless a field says.")
    tiers: list[TierName] = Field(["rules", "student", "large"], min_length=1, description="The tiers that take part.")
    fields: dict[Annotated[str, Field(pattern=NAME)], TaskField] = Field(min_length=1)
    prices: TaskPrices = TaskPrices()
    author_rules: AuthorRules = Field(
        "unless-quality",
        description="When an author's word counts for rules that are not measured: where no quality is asked for, "
        "always, never.",
    )
