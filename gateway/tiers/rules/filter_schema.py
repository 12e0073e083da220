"""The form of ``rules/<task>/filters.yaml``: documents that are answered early, without any tier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.tiers.rules.schema import RULE_ID, Lines, Part, Pattern


class FilterExample(Part):
    """``filtered`` says whether this filter must keep ``text`` from being extracted from."""

    text: str
    filtered: bool


class FilterBase(Part):
    """What all filters have in common."""

    id: str = Field(pattern=RULE_ID)
    description: str = ""
    examples: list[FilterExample] = Field(default=[])


class LengthFilter(FilterBase):
    """Documents that are too short or too long; characters that are white space do not count."""

    kind: Literal["length"]
    min_chars: int | None = Field(None, ge=1)
    max_chars: int | None = Field(None, ge=1)
    min_words: int | None = Field(None, ge=1)
    min_lines: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _any_bound(self) -> LengthFilter:
        if (self.min_chars, self.max_chars, self.min_words, self.min_lines) == (None,) * 4:
            raise ValueError("give min_chars, max_chars, min_words or min_lines")
        return self


class ScopeFilter(FilterBase):
    """Documents of another kind: those in which ``pattern`` is found (in ``lines``, where given)."""

    kind: Literal["scope"]
    pattern: Pattern
    lines: Lines | None = None


class WordsFilter(FilterBase):
    """Documents unlike the task's: those in which fewer than ``least`` of the patterns ``any_of`` are found."""

    kind: Literal["words"]
    any_of: list[Pattern] = Field(min_length=1)
    least: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _reachable(self) -> WordsFilter:
        if self.least > len(self.any_of):
            raise ValueError(f"least: {self.least} of {len(self.any_of)} patterns can never be found")
        return self


#: Languages whose function words ``gateway.tiers.rules.languages`` knows.
Language = Literal["de", "en", "es", "fr", "id", "it", "ms", "nl", "pt"]


class LanguageFilter(FilterBase):
    """Documents in another language, by its function words, or in another script, by its letters.

    ``languages`` are those that are read; a document is filtered where another language's function words are clearly
    more frequent. ``script`` is a Unicode script of which at least the share ``least`` of all letters must be.
    """

    kind: Literal["language"]
    languages: list[Language] | None = Field(None, min_length=1)
    script: str | None = Field(None, pattern=r"^[A-Z][A-Za-z_]{2,40}$")
    least: float = Field(0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _either(self) -> LanguageFilter:
        if self.languages is None and self.script is None:
            raise ValueError("give languages or script")
        return self


Filter = Annotated[LengthFilter | ScopeFilter | WordsFilter | LanguageFilter, Field(discriminator="kind")]


class FiltersFile(Part):
    """``rules/<task>/filters.yaml``: documents that are answered early, without any tier."""

    filters: list[Filter]
