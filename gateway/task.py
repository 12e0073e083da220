"""A task: its fields, tiers, prices and defaults, read from ``rules/<task>/task.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from gateway.document import TIERS, TierName
from gateway.errors import TaskFileError, UnknownField
from gateway.values import VALUE_TYPES, DecimalMark, ValueOptions, ValueType

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_TASK_KEYS = {
    "task",
    "description",
    "quality",
    "day_first",
    "region",
    "decimal",
    "closed_labels",
    "null_means",
    "tiers",
    "fields",
    "prices",
    "author_rules",
}
_REGION = re.compile(r"[A-Z]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_FIELD_KEYS = {"type", "many", "description", "null_means", "quality"}
_PRICE_KEYS = {"currency", "cpu_second", "gpu_second", "tiers"}
_TIER_PRICE_KEYS = {"per_call", "input_per_1k"}
#: Above any price of a second, a call or 1,000 tokens in any currency; sums of such prices stay numbers.
MOST_PRICE = 1_000_000
_EXPONENT = re.compile(r"[-+]?\d+[eE][-+]?\d+")


NullMeaning = Literal["absent", "unannotated"]
#: When rules that are not measured may answer on their author's word: where no ``quality`` is asked for, always, never.
AuthorRules = Literal["unless-quality", "always", "never"]


@dataclass(frozen=True)
class FieldSpec:
    """One thing to extract.

    ``null_means`` says what a label ``null`` stands for in this field's data; ``quality`` is the field's own default
    target, ``None`` for the task's.
    """

    name: str
    type: ValueType
    many: bool = False
    description: str = ""
    null_means: NullMeaning = "absent"
    quality: float | None = None


@dataclass(frozen=True)
class CallPrice:
    """What somebody else's large model is expected to bill for one document: ``base + per_character`` for each code
    point of its text, of which at most ``characters`` are sent. ``assumed``: nobody stated its prices."""

    base: float
    per_character: float
    characters: int
    assumed: bool = False

    def amount(self, length: int) -> float:
        """For a text of ``length`` code points."""
        return self.base + self.per_character * min(length, self.characters)


@dataclass(frozen=True)
class TierPrice:
    """What a model tier of one's own costs beside its CPU and GPU seconds: for each document, and for 1,000 tokens that
    it reads."""

    per_call: float = 0.0
    input_per_1k: float = 0.0

    def amount(self, tokens: float) -> float:
        """For a document of so many tokens."""
        return self.per_call + self.input_per_1k * tokens / 1000


PriceSource = Literal["task.yaml", "default"]


@dataclass(frozen=True)
class Prices:
    """What work costs. The defaults are 0.0000125 of the currency a CPU second (0.045 an hour for one virtual core) and
    0.0002 a GPU second (0.72 an hour): work on one's own machines is never free because nobody wrote down a price.
    ``large`` is set where the large tier is remote. ``stated`` names what ``task.yaml`` says itself."""

    currency: str = "USD"
    cpu_second: float = 1.25e-5
    large: CallPrice | None = None
    gpu_second: float = 2e-4
    tiers: Mapping[TierName, TierPrice] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()

    @property
    def source(self) -> dict[str, PriceSource]:
        """Where the prices of CPU and GPU seconds come from."""
        return {name: "task.yaml" if name in self.stated else "default" for name in ("cpu_second", "gpu_second")}

    def as_json(self) -> dict[str, Any]:
        """As ``GET /v1/tasks/{task}`` shows them."""
        return {
            "currency": self.currency,
            "cpu_second": self.cpu_second,
            "gpu_second": self.gpu_second,
            "tiers": {tier: asdict(price) for tier, price in self.tiers.items()},
            "source": self.source,
        }


@dataclass(frozen=True)
class TaskSpec:
    """One extraction job.

    ``quality`` is the default target; ``closed_labels`` says that a key missing from a document's labels means absent
    rather than not annotated; ``day_first``, ``region`` and ``decimal`` say how values are written
    (:class:`gateway.values.ValueOptions`); ``author_rules`` when an author's word for a rule that is not measured
    counts.
    """

    name: str
    fields: Mapping[str, FieldSpec]
    description: str = ""
    quality: float = 0.9
    day_first: bool = True
    region: str | None = None
    decimal: DecimalMark = "."
    closed_labels: bool = False
    tiers: tuple[TierName, ...] = TIERS
    prices: Prices = field(default_factory=Prices)
    author_rules: AuthorRules = "unless-quality"

    @cached_property
    def options(self) -> ValueOptions:
        """How the task's values are written."""
        return ValueOptions(self.day_first, self.region, self.decimal)

    def qualities(self, asked: float | None = None) -> dict[str, float]:
        """Every field's quality target: the one asked for, else the field's own, else the task's."""
        return {name: asked or field.quality or self.quality for name, field in self.fields.items()}

    def check_fields(self, names: object) -> tuple[str, ...]:
        """The fields asked for, all of them for ``None``, in the task's order.

        Raises:
            UnknownField: for a name the task does not have, or an empty list.
        """
        if names is None:
            return tuple(self.fields)
        if not isinstance(names, (list, tuple)) or not names:
            raise UnknownField("fields must be a list with at least one field", detail={"fields": list(self.fields)})
        unknown = [name for name in names if name not in self.fields]
        if unknown:
            raise UnknownField(
                f'task "{self.name}" has no field {unknown[0]!r}; it has {", ".join(self.fields)}',
                detail={"unknown": [str(name)[:100] for name in unknown[:10]], "fields": list(self.fields)},
            )
        return tuple(name for name in self.fields if name in names)


def _check_keys(raw: Mapping[str, Any], allowed: set[str], where: str) -> None:
    unknown = sorted(str(key) for key in raw if key not in allowed)
    if unknown:
        raise TaskFileError(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(allowed))}")


def _parse_null_means(value: Any, where: str) -> NullMeaning:
    for meaning in get_args(NullMeaning):
        if value == meaning:
            return cast(NullMeaning, meaning)
    raise TaskFileError(f"{where}: null_means must be one of {', '.join(get_args(NullMeaning))}, found {value!r}")


def _parse_field(name: str, raw: Any, null_means: NullMeaning, where: str) -> FieldSpec:
    if not _NAME.fullmatch(name):
        raise TaskFileError(f"{where}: field name {name!r} must be lower-case letters, digits, - or _")
    if not isinstance(raw, dict):
        raise TaskFileError(f"{where}: field {name} must be a mapping with a type")
    _check_keys(raw, _FIELD_KEYS, f"{where}: field {name}")
    kind = raw.get("type", "text")
    if kind not in VALUE_TYPES:
        raise TaskFileError(f"{where}: field {name}: type {kind!r} is none of {', '.join(VALUE_TYPES)}")
    if "null_means" in raw:
        null_means = _parse_null_means(raw["null_means"], f"{where}: field {name}")
    quality = None if raw.get("quality") is None else _parse_quality(raw["quality"], f"{where}: field {name}")
    return FieldSpec(name, kind, bool(raw.get("many", False)), str(raw.get("description", "")), null_means, quality)


def _parse_region(raw: Any, where: str) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not _REGION.fullmatch(raw):
        # YAML reads an unquoted NO (Norway) as false.
        raise TaskFileError(
            f'{where}: region must be a country code of two capital letters in quotes ("GB"), found {raw!r}'
        )
    # Imported here: only tasks with a region need the library.
    from phonenumbers import SUPPORTED_REGIONS

    if raw not in SUPPORTED_REGIONS:
        hint = ' (the United Kingdom is "GB")' if raw == "UK" else ""
        raise TaskFileError(f"{where}: region {raw!r} is no country code of ISO 3166{hint}")
    return raw


def _parse_decimal(raw: Any, where: str) -> DecimalMark:
    for mark in get_args(DecimalMark):
        if raw == mark:
            return cast(DecimalMark, mark)
    raise TaskFileError(f'{where}: decimal must be "." or ",", found {raw!r}')


def _parse_author_rules(raw: Any, where: str) -> AuthorRules:
    for choice in get_args(AuthorRules):
        if raw == choice:
            return cast(AuthorRules, choice)
    raise TaskFileError(f"{where}: author_rules must be one of {', '.join(get_args(AuthorRules))}, found {raw!r}")


def _parse_quality(raw: Any, where: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not 0.5 <= raw < 1:
        raise TaskFileError(f"{where}: quality must be a number from 0.5 to below 1, found {raw!r}")
    return float(raw)


def _parse_prices(raw: Any, where: str) -> Prices:
    if not isinstance(raw, dict):
        raise TaskFileError(f"{where}: prices must be a mapping")
    _check_keys(raw, _PRICE_KEYS, f"{where}: prices")
    currency = raw.get("currency", Prices.currency)
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise TaskFileError(f'{where}: prices.currency must be three capital letters like "USD", found {currency!r}')
    seconds: dict[str, float] = {}
    for name, default in (("cpu_second", Prices.cpu_second), ("gpu_second", Prices.gpu_second)):
        seconds[name] = _price(raw.get(name, default), f"{where}: prices.{name}")
        if seconds[name] <= 0:
            raise TaskFileError(f"{where}: prices.{name} must be above 0: a tier of one's own is never free")
    tiers = raw.get("tiers", {})
    models = [tier for tier in TIERS if tier != "rules"]
    if not isinstance(tiers, dict) or any(tier not in models for tier in tiers):
        raise TaskFileError(f"{where}: prices.tiers must be a mapping of {', '.join(models)}")
    parsed: dict[TierName, TierPrice] = {}
    for tier, price in tiers.items():
        if not isinstance(price, dict):
            raise TaskFileError(f"{where}: prices.tiers.{tier} must be a mapping")
        _check_keys(price, _TIER_PRICE_KEYS, f"{where}: prices.tiers.{tier}")
        amounts = {name: _price(amount, f"{where}: prices.tiers.{tier}.{name}") for name, amount in price.items()}
        parsed[tier] = TierPrice(**amounts)
    return Prices(
        currency,
        seconds["cpu_second"],
        gpu_second=seconds["gpu_second"],
        tiers=parsed,
        stated=frozenset(seconds.keys() & raw.keys()),
    )


def _price(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_PRICE:
        # YAML 1.1 takes 1e-5, without a point, for text.
        exponent = isinstance(value, str) and _EXPONENT.fullmatch(value)
        hint = " (write 1.0e-5 with a point for 1e-5)" if exponent else ""
        raise TaskFileError(f"{where} must be a number from 0 to {MOST_PRICE:,}, found {value!r}{hint}")
    return float(value)


def load_task(path: Path) -> TaskSpec:
    """Read ``task.yaml``.

    Raises:
        TaskFileError: naming the file and the key that is wrong.
    """
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise TaskFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TaskFileError(f"{path}: not YAML ({error})") from error
    if not isinstance(raw, dict):
        raise TaskFileError(f"{path}: expected a mapping")
    _check_keys(raw, _TASK_KEYS, str(path))
    fields = raw.get("fields")
    if not isinstance(fields, dict) or not fields:
        raise TaskFileError(f"{path}: fields must be a mapping with at least one field")
    name = raw.get("task", path.parent.name)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TaskFileError(f"{path}: task name {name!r} must be lower-case letters, digits, - or _")
    quality = _parse_quality(raw.get("quality", 0.9), str(path))
    tiers = raw.get("tiers", list(TIERS))
    if not isinstance(tiers, list) or not tiers or any(tier not in TIERS for tier in tiers):
        raise TaskFileError(f"{path}: tiers must be a list of {', '.join(TIERS)}")
    # The task's null_means is the default of its fields.
    null_means = _parse_null_means(raw.get("null_means", "absent"), str(path))
    return TaskSpec(
        name=name,
        fields={str(key): _parse_field(str(key), value, null_means, str(path)) for key, value in fields.items()},
        description=str(raw.get("description", "")),
        quality=quality,
        day_first=bool(raw.get("day_first", True)),
        region=_parse_region(raw.get("region"), str(path)),
        decimal=_parse_decimal(raw.get("decimal", "."), str(path)),
        closed_labels=bool(raw.get("closed_labels", False)),
        tiers=tuple(tier for tier in TIERS if tier in tiers),
        prices=_parse_prices(raw.get("prices", {}), str(path)),
        author_rules=_parse_author_rules(raw.get("author_rules", "unless-quality"), str(path)),
    )
