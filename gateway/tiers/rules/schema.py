"""The form of a rule file: what may stand in it, as types. ``docs/rules.md`` explains each key with examples."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.values import ValueType

RULE_ID = r"^[a-z][a-z0-9_-]{0,63}$"
#: A bound on what one pattern may be, so that compiling a rule file takes bounded time.
MAX_PATTERN_CHARS = 4000

Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS)]


class Part(BaseModel):
    """Unknown keys are errors, and a string is not taken for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Lines(Part):
    """The part of the document a rule looks at: its first or its last lines."""

    first: int | None = Field(None, ge=1)
    last: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_of_them(self) -> Lines:
        if (self.first is None) == (self.last is None):
            raise ValueError("give either first or last")
        return self


class Context(Part):
    """Patterns searched in the evidence's line, the lines around it, the value, and the whole text."""

    line: Pattern | None = None
    previous: Pattern | None = None
    next: Pattern | None = None
    value: Pattern | None = None
    document: Pattern | None = None


class Replacement(Part):
    """Rewrites the value (never the verbatim text) towards the form that labels use."""

    pattern: Pattern
    by: str = ""


class Example(Part):
    """``value`` is what the rule must find first in ``text``, compared by value type; null: it must find nothing."""

    text: str
    value: str | None


#: A bound of ``validate``: a number, or a date as 2018-03-28.
Bound = int | float | datetime.date | str


class Validation(Part):
    """What a value must be beyond its type.

    ``pattern`` must match the whole value, as rules write it. ``min`` and ``max`` are for types that have an order
    (amounts, numbers, dates); ``min_length`` and ``max_length`` count the value's characters.
    """

    pattern: Pattern | None = None
    min: Bound | None = None
    max: Bound | None = None
    min_length: int | None = Field(default=None, ge=1)
    max_length: int | None = Field(default=None, ge=1)


#: Steps that bring a value nearer to the form that labels use; ``gateway.tiers.rules.normalising`` has them.
NormaliseStep = Literal[
    "upper",
    "lower",
    "title",
    "collapse-space",
    "remove-space",
    "strip-punctuation",
    "digits-only",
    "ocr-digits",
    "no-accents",
    "canonical",
]


class RuleBase(Part):
    """What all kinds of rules have in common.

    A rule looks at ``lines``, behind the first match of ``after`` and up to the next match of ``before`` (each the
    whole text where left out). It is not tried where one of the rules named in ``unless``, of higher priority, has
    found something.
    """

    id: str = Field(pattern=RULE_ID)
    description: str = ""
    priority: int = Field(0, ge=-1000, le=1000)
    precision: float | None = Field(None, ge=0, le=1)
    author_precision: float | None = Field(None, ge=0, le=1)
    type: ValueType | None = None
    unless: list[str] = []
    lines: Lines | None = None
    after: Pattern | None = None
    before: Pattern | None = None
    require: Context = Context()
    forbid: Context = Context()
    prefer: Literal["first", "last", "largest", "frequent"] = "first"
    replace: list[Replacement] = []
    normalise: list[NormaliseStep] = []
    validation: Validation = Field(Validation(), alias="validate")
    join: str = " "
    examples: list[Example] = []


class PatternRule(RuleBase):
    """A regular expression over the text; the value is its group ``value``, or all of it."""

    kind: Literal["pattern"]
    pattern: Pattern


class AnchorRule(RuleBase):
    """A label, and a value behind it on its line or within ``reach`` lines below.

    Lines below that ``between`` matches wholly are passed over; any other line without a value ends the search.
    """

    kind: Literal["anchor"]
    label: Pattern
    value: Pattern | None = None
    same_line: bool = True
    reach: int = Field(0, ge=0, le=20)
    between: Pattern = r"\W*"


class PositionRule(RuleBase):
    """The first of ``lines`` that ``skip`` leaves over, when ``pattern`` is found in it."""

    kind: Literal["position"]
    lines: Lines
    pattern: Pattern = r"\S(?:.*\S)?"
    skip: Pattern | None = None


class BlockRule(RuleBase):
    """Lines from one that ``start`` is found in to before the first that ``until`` is found in.

    ``stop`` ends a block behind its own match; a block of more than ``most`` lines is cut there; ``contain`` must be
    found in the block.
    """

    kind: Literal["block"]
    start: Pattern
    until: Pattern | None = None
    stop: Pattern | None = None
    most: int = Field(6, ge=1, le=50)
    contain: Pattern | None = None


class LookupRule(RuleBase):
    """Lines, or up to ``span`` lines joined, that stand in a CSV file or word list beside the rule file.

    A CSV file has a column ``text`` and may have a column ``value``: the form labels use; a ``.txt`` file has one
    entry a line. ``cut`` takes the end of a line away, from its match on, before looking. ``fuzzy`` is the least
    likeness in per cent (100 × 2·common / both lengths, folded); without it only equal texts count; with
    ``same_digits`` an entry that is merely alike must have the same digits in the same order. ``form`` says whose
    writing the value has: the entry's, or the text's where the two are equal but for case, commas and white space.
    With ``match: words`` entries are looked for anywhere in the text, as whole words.
    """

    kind: Literal["lookup"]
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.(?:csv|txt)$")
    match: Literal["lines", "words"] = "lines"
    lines: Lines | None = None
    span: int = Field(1, ge=1, le=12)
    cut: Pattern | None = None
    fuzzy: float | None = Field(None, ge=60, lt=100)
    same_digits: bool = False
    form: Literal["file", "text"] = "file"

    @model_validator(mode="after")
    def _fitting_keys(self) -> LookupRule:
        if self.match == "lines" and self.lines is None:
            raise ValueError("lines: Field required: which lines to look up (or say match: words)")
        if self.match == "words" and (self.fuzzy is not None or self.cut is not None or self.span != 1):
            raise ValueError("match: words takes neither fuzzy nor cut nor span")
        return self


class BalanceRule(RuleBase):
    """An amount above 0 that, with the change given back, makes the amount paid: the three stand in this order.

    ``change`` says whether there must be any; ``apart`` amounts may stand between each two of the three.
    """

    kind: Literal["balance"]
    amount: Pattern = "{{money}}"
    change: Literal["some", "none"] = "some"
    apart: int = Field(0, ge=0, le=5)


class AgreementRule(RuleBase):
    """What at least ``least`` of the rules in ``of`` (by default all others of the file) have as first candidate."""

    kind: Literal["agreement"]
    of: list[str] | None = None
    least: int = Field(2, ge=2)


Rule = Annotated[
    PatternRule | AnchorRule | PositionRule | BlockRule | LookupRule | BalanceRule | AgreementRule,
    Field(discriminator="kind"),
]


class RuleFile(Part):
    """``rules/<task>/<field>.yaml``."""

    field: str
    rules: list[Rule]


class Recogniser(Part):
    """A pattern with a name, used in rules as ``{{name}}``."""

    pattern: Pattern
    description: str = ""


class LibraryFile(Part):
    """``rules/library/*.yaml``."""

    recognisers: dict[str, Recogniser]


def kinds_of(base: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The kinds of rules (``RuleBase``) or filters (``FilterBase``), by the word that files use for them."""
    return {model.model_fields["kind"].annotation.__args__[0]: model for model in base.__subclasses__()}  # type: ignore[union-attr]


#: Keys that do not change what a rule finds.
_SAYS_NOTHING = {"description", "examples", "author_precision"}


def behaviour(rule: RuleBase) -> str:
    """What a rule says, as JSON, without what does not change what it finds.

    A key that stands at its default is left out where the format gained it later, so that a rule keeps the digest it
    was measured with.
    """
    later: dict[str, Any] = {"type": None, "normalise": [], "validation": Validation(), "match": "lines"}
    unset = {key for key, default in later.items() if getattr(rule, key, default) == default}
    return rule.model_dump_json(exclude=_SAYS_NOTHING | unset)
