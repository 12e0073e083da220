"""Filters: which documents are kept from being extracted from."""

from __future__ import annotations

import pytest

from gateway.document import Document
from gateway.errors import RuleFileError
from gateway.tiers.rules.filters import FilterHit
from gateway.tiers.rules.languages import FUNCTION_WORDS, foreign_language
from tests.gateway.tiers.rules.conftest import Bench

ENGLISH = "The goods that you have ordered will be sent to your address as soon as the payment is with us."
GERMAN = "Die Ware, die Sie bei uns bestellt haben, wird nach dem Eingang der Zahlung an Ihre Adresse geschickt."
MALAY = "Barang yang telah dibeli tidak boleh dikembalikan kerana ini adalah harga untuk jualan dengan tunai."
RECEIPT = "KEDAI BUKU MELUR SDN BHD\nNO 17, JALAN CEMPAKA\nTOTAL RM 42.30\nCASH 50.00\nCHANGE 7.70\nPEN 2 X 1.50 3.00"


def hit(bench: Bench, filters: str, text: str) -> FilterHit | None:
    bench.write("bills/filters.yaml", f"filters:\n- {filters}\n")
    return bench.load().filter(Document(text))


@pytest.mark.parametrize(
    ("filters", "text", "message"),
    [
        ("{id: f, kind: length, min_chars: 5}", "a b\tc\nd", "too short: 4 characters, at least 5 are wanted"),
        ("{id: f, kind: length, min_chars: 4}", "a b\tc\nd", None),
        ("{id: f, kind: length, max_chars: 3}", "a b c d", "too long: 4 characters, at most 3 are wanted"),
        ("{id: f, kind: length, min_words: 3}", "one two", "too short: 2 words, at least 3 are wanted"),
        ("{id: f, kind: length, min_lines: 2}", "one\n \n", "too short: 1 lines, at least 2 are wanted"),
        ("{id: f, kind: scope, pattern: PAYSLIP}", "a\nPayslip", "out of scope: 'Payslip' on line 2"),
        ("{id: f, kind: scope, pattern: PAYSLIP, lines: {first: 1}}", "a\nPayslip", None),
        ("{id: f, kind: words, any_of: [TOTAL, '{{money}}'], least: 2}", "TOTAL 9.00", None),
        ("{id: f, kind: words, any_of: [TOTAL, CASH], least: 2}", "TOTAL 9.00",
         "unlike the task's documents: 1 of 2 signs found, 2 are wanted"),
        ("{id: f, kind: language, script: Latin}", "abc итог", "another script: 3 of 7 letters are Latin"),
        ("{id: f, kind: language, script: Latin, least: 0.4}", "abc итог", None),
        ("{id: f, kind: language, script: Latin}", "12.00", None),
        ("{id: f, kind: language, languages: [en, ms]}", GERMAN, "another language: de"),
        ("{id: f, kind: language, languages: [en, ms]}", ENGLISH, None),
        ("{id: f, kind: language, languages: [en, ms]}", MALAY, None),
        ("{id: f, kind: language, languages: [en]}", RECEIPT, None),
        ("{id: f, kind: language, languages: [en]}", "Die Ware ist da.", None),
    ],
)  # fmt: skip
def test_what_is_filtered_and_why(bench: Bench, filters: str, text: str, message: str | None) -> None:
    found = hit(bench, filters, text)
    if message is None:
        assert found is None
    else:
        assert found is not None
        assert (found.filter, found.message, found.reason) == ("f", message, "filtered")


def test_the_first_filter_that_applies_counts(bench: Bench) -> None:
    two = (
        "{id: a, kind: length, min_words: 1}\n- {id: b, kind: length, min_words: 5}\n- {id: c, kind: scope, pattern: x}"
    )
    found = hit(bench, two, "x")
    assert found is not None
    assert found.filter == "b"


def test_without_filters_every_document_passes(bench: Bench) -> None:
    tier = bench.load()
    assert tier.filter(Document("")) is None
    assert tier.rules.filters.check("") is None


def test_a_filter_that_runs_out_of_time_lets_the_document_through_and_is_counted(bench: Bench) -> None:
    bench.write("bills/filters.yaml", "filters: [{id: slow, kind: scope, pattern: '(?:a|a)*b'}]")
    told: list[str] = []
    tier = bench.load(on_timeout=told.append)
    assert tier.filter(Document("a" * 60 + "!b")) is None
    assert tier.timeouts["filters/slow"] == 1
    assert told == ["filters/slow"]


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ("{id: f, kind: moon}", "kind"),
        ("{id: f, kind: length}", "min_chars"),
        ("{id: f, kind: language}", "languages or script"),
        ("{id: f, kind: words, any_of: [a], least: 2}", "never be found"),
        ("{id: f, kind: scope, pattern: '('}", "filter f: pattern: not a regular expression"),
        ("{id: f, kind: scope, pattern: '{{x}}'}", "no recogniser"),
        ("{id: f, kind: scope, pattern: x, more: 1}", "unknown key"),
        ("{id: f, kind: scope, pattern: x}\n- {id: f, kind: scope, pattern: y}", "stands twice"),
    ],
)
def test_wrong_filters_are_refused(bench: Bench, filters: str, says: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        hit(bench, filters, "x")
    assert says in caught.value.message
    assert "filters.yaml" in caught.value.message


def test_filters_change_the_version_and_no_field_s_digest(bench: Bench) -> None:
    bench.rules("total", r"- {id: any, kind: pattern, pattern: '\d\.\d\d'}")
    before = bench.load()
    bench.write("bills/filters.yaml", "filters: [{id: f, kind: length, min_words: 2}]")
    after = bench.load()
    assert after.version != before.version
    assert after.field_versions == before.field_versions
    assert after.rules.filters.digest != before.rules.filters.digest
    bench.write("bills/filters.yaml", "filters: [{id: f, kind: length, min_words: 2, description: x}]")
    assert bench.load().rules.filters.digest == after.rules.filters.digest


def test_function_words_of_languages_are_lower_case_single_words() -> None:
    for language, words in FUNCTION_WORDS.items():
        assert len(words) >= 30, language
        assert all(word.isalpha() and word == word.casefold() for word in words)


def test_a_language_that_is_allowed_is_never_foreign() -> None:
    for text in (ENGLISH, GERMAN, MALAY):
        assert foreign_language(text, frozenset(FUNCTION_WORDS)) is None
