"""Tax identifiers by country (VAT numbers and taxpayers' numbers), checked by ``python-stdnum``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module

import regex

# Groups that each have a digit, behind a country's letters where they are written.
_GROUP = r"(?=[A-Z]{0,6}\d)[A-Z\d]{1,18}+"
#: Two letters in front of a number that name no country.
_LABEL = r"(?:ID|NO|NR|OF|IS|TO|IN|AT|BY|ON|IT)"
TAX_SOURCE = (
    rf"(?<![\w-]|\d[./ ])(?=(?:[A-Z ./-]{{0,8}}\d){{6}})(?:(?:(?!{_LABEL}[ -])[A-Z]{{2}}|CHE)[ -]?(?=[A-Z]?\d))?"
    rf"{_GROUP}(?:[ ./-]{_GROUP}){{0,4}}+(?![\w-]|[./]\d)"
)
# What ``stdnum`` calls a country's tax identifiers beside ``vat`` and ``tin``, where it has several or other names.
_NAMES = {
    "AR": ("cuit",),
    "AT": ("tin",),
    "AU": ("abn", "tfn"),
    "BR": ("cnpj", "cpf"),
    "CA": ("bn", "sin"),
    "CH": ("vat", "uid"),
    "CL": ("rut",),
    "CN": ("uscc",),
    "CO": ("nit",),
    "DE": ("vat", "idnr"),
    "EC": ("ruc",),
    "ES": ("nif",),
    "FR": ("tva", "nif"),
    "GB": ("vat", "utr"),
    "ID": ("npwp",),
    "IL": ("hp", "idnr"),
    "IN": ("gstin", "pan"),
    "IT": ("iva", "codicefiscale"),
    "JP": ("cn",),
    "KR": ("brn",),
    "MX": ("rfc",),
    "NL": ("btw",),
    "NZ": ("ird",),
    "PE": ("ruc",),
    "RU": ("inn",),
    "SG": ("uen",),
    "TH": ("tin",),
    "TR": ("vkn",),
    "TW": ("ubn",),
    "UA": ("edrpou", "rntrc"),
    "US": ("tin",),
    "ZA": ("tin",),
}
#: What a country's numbers begin with where it is not its ISO code.
_PREFIXES = {"EL": "GR"}
_PREFIX = regex.compile(r"(?:CHE|[A-Z]{2})(?=[ -]?[A-Z]{0,6}\d)")
# "Value-added tax" in the languages of Switzerland; the number is the same in each and without it.
_SWISS_ENDINGS = regex.compile(r"(?:MWST|TVA|IVA|TPV)$")

Check = Callable[[str], str]


@functools.cache
def _checks(country: str) -> tuple[Check, ...]:
    """The country's validators, which give the compact number or raise ``stdnum.exceptions.ValidationError``."""
    from stdnum.util import get_cc_module

    modules = [get_cc_module(country.lower(), name) for name in (*_NAMES.get(country, ()), "vat", "tin")]
    found: list[Check] = []
    for module in modules:
        if module is not None and module.validate not in found:
            found.append(module.validate)
    return tuple(found)


def parse_tax(text: str, region: str | None) -> str | None:
    """A tax identifier as its country's code and the compact number (``GB980780684``).

    The country is that of the letters in front of the number, else ``region``; without either nothing can be checked.
    """
    written = " ".join(text.split()).upper()
    prefix = _PREFIX.match(written)
    if prefix:
        country = _PREFIXES.get(prefix[0], prefix[0][:2])
        checked = _checked(country, written, written[len(prefix[0]) :].lstrip(" -"))
        if checked is not None:
            return checked
    return None if region is None else _checked(region, written)


def _checked(country: str, *forms: str) -> str | None:
    exceptions = import_module("stdnum.exceptions")
    for check in _checks(country):
        for form in forms:
            try:
                compact = str(check(form)).upper()
            except exceptions.ValidationError:
                continue
            compact = "".join(char for char in compact if char.isalnum())
            if country == "CH":
                compact = _SWISS_ENDINGS.sub("", compact)
            return country + compact.removeprefix(country)
    return None
