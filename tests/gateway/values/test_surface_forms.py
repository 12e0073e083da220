"""Each recogniser finds the forms that its type has in English texts, whole, and leaves look-alikes alone.

``surface_forms.yaml`` lists them by class.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.values import VALUE_TYPES, ValueOptions, canonical

#: The recognisers that are wider than the type of their values.
KINDS = {"currency-amount": "money", "full-date": "date"}
FORMS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("surface_forms.yaml").read_text("utf-8"))
WHOLE = [
    (name, text)
    for name, classes in FORMS.items()
    for entries in classes.values()
    if isinstance(entries, list)
    for text in entries
]
WITHIN = [
    (name, str(text), expected)
    for name, classes in FORMS.items()
    for entries in classes.values()
    if isinstance(entries, dict)
    for text, expected in entries.items()
]
EVERY_OPTIONS = [
    ValueOptions(day_first=day_first, region=region, decimal=decimal)
    for day_first, region, decimal in itertools.product((True, False), (None, "GB", "US", "DE", "MY"), (".", ","))
]


def test_every_type_with_forms_of_its_own_is_here():
    assert set(VALUE_TYPES) - {"text", "iban", "card", "tax-id"} == {KINDS.get(name, name) for name in FORMS}
    assert all(isinstance(text, str) for _, text in WHOLE)


@pytest.mark.parametrize(("name", "text"), WHOLE, ids=[f"{name}: {text}" for name, text in WHOLE])
def test_a_form_is_found_whole(find, name, text):
    kind = KINDS.get(name, name)
    for sentence in (text, f"They wrote {text}, it seems", f"{text}\nand so on"):
        assert [found for found, _ in find(kind, sentence, name=name)] == [text]


@pytest.mark.parametrize(("name", "text", "expected"), WITHIN, ids=[f"{name}: {text}" for name, text, _ in WITHIN])
def test_what_is_found_in_a_text_that_says_more(find, name, text, expected):
    assert [found for found, _ in find(KINDS.get(name, name), text, name=name)] == expected


@pytest.mark.parametrize(("name", "text"), WHOLE, ids=[f"{name}: {text}" for name, text in WHOLE])
def test_the_canonical_form_is_its_own_under_all_options(name, text):
    kind = KINDS.get(name, name)
    for options in EVERY_OPTIONS:
        value = canonical(kind, text, options=options)
        if value is not None:
            assert canonical(kind, value, options=options) == value, options
