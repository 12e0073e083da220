"""The tier: ranking, spans, time limits, and any input whatever."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.document import Document
from gateway.home import Home
from gateway.task import TaskSpec
from gateway.tiers.rules import MAX_SCANNED_CHARS, RulesTier, TimeLimits
from gateway.values import canonical
from tests.gateway.tiers.rules.conftest import Bench

RANKED = r"""
- {id: low, kind: pattern, pattern: '\d+\.\d\d', priority: 1}
- {id: high, kind: anchor, label: TOTAL, priority: 2, precision: 0.9}
- {id: same, kind: pattern, pattern: 'PAID \K\d+\.\d\d', priority: 1}
"""


def test_the_best_rule_s_first_candidate_leads_and_every_rule_s_first_comes_before_seconds(bench: Bench) -> None:
    bench.rules("total", RANKED)
    found = bench.find("total", "1.00 TOTAL 2.00 TOTAL 3.00 PAID 4.00")
    assert [(candidate.value, candidate.source) for candidate in found] == [
        ("2.00", "total/high"),
        ("1.00", "total/low"),
        ("4.00", "total/same"),
        ("3.00", "total/high"),
    ]


def test_a_stated_precision_is_the_score_and_the_rest_of_it_is_the_rivals_(bench: Bench) -> None:
    bench.rules("total", RANKED)
    found = {candidate.value: candidate.score for candidate in bench.find("total", "1.00 TOTAL 2.00 TOTAL 3.00")}
    assert found == {"2.00": 0.9, "1.00": 0.5, "3.00": pytest.approx(0.1)}


def test_a_value_stands_once_under_its_best_rule_and_there_are_at_most_five(bench: Bench) -> None:
    bench.rules("total", RANKED)
    assert [candidate.source for candidate in bench.find("total", "TOTAL 2.00 2.0 2.00")] == ["total/high"]
    assert len(bench.find("total", " ".join(f"{number}.00" for number in range(9)))) == 5


def test_a_many_field_has_all_items_in_the_order_of_the_text(bench: Bench) -> None:
    bench.rules(
        "items",
        r"""
        - {id: drinks, kind: pattern, pattern: 'TEA|COFFEE', priority: 1}
        - {id: food, kind: pattern, pattern: 'CAKE|PIE\d'}
        """,
    )
    assert bench.values("items", "CAKE tea Coffee TEA pie1 PIE2 pie3 PIE4") == [
        "CAKE", "tea", "Coffee", "pie1", "PIE2", "pie3", "PIE4",
    ]  # fmt: skip


def test_only_fields_asked_for_are_read_and_unknown_ones_passed_over(bench: Bench) -> None:
    bench.rules("total", RANKED)
    [output] = bench.load().propose([Document("TOTAL 2.00")], ["total", "nonsense"])
    assert set(output.proposals) == {"total"}
    [output] = bench.load().propose([Document("TOTAL 2.00")], ["shop"])
    assert output.proposals["shop"].best is None


def test_documents_are_answered_in_order_with_their_work(bench: Bench) -> None:
    bench.rules("total", RANKED)
    outputs = bench.load().propose([Document("1.00"), Document(""), Document("3.00")], ["total"])
    values = [output.proposals["total"].best and output.proposals["total"].best.value for output in outputs]
    assert values == ["1.00", None, "3.00"]
    assert all(output.work.cpu_seconds >= 0 and output.work.tokens == 0 for output in outputs)


# --- time limits ---

RUNAWAY = r"""
- {id: runaway, kind: pattern, pattern: '^(a|aa)+$', priority: 2}
- {id: sound, kind: pattern, pattern: 'b\w*'}
"""


def test_a_pattern_that_runs_away_is_stopped_counted_and_reported_and_others_answer(bench: Bench) -> None:
    bench.rules("shop", RUNAWAY)
    reported: list[str] = []
    tier = bench.load(on_timeout=reported.append)
    document = Document("a" * 60 + "!\nbaker")
    for _ in range(2):
        [output] = tier.propose([document], ["shop"])
        assert [candidate.value for candidate in output.proposals["shop"].candidates] == ["baker"]
    assert tier.timeouts == {"shop/runaway": 2}
    assert reported == ["shop/runaway", "shop/runaway"]
    assert [run.outcome for run in tier.trace(document, ["shop"])["shop"]] == ["timeout", "found"]


def test_rules_for_which_a_document_has_no_time_left_are_counted_too(bench: Bench) -> None:
    bench.rules("shop", RUNAWAY)
    tier = bench.load(limits=TimeLimits(rule=0.005, document=0.005))
    tier.propose([Document("a" * 60 + "!\nbaker")], ["shop"])
    assert tier.timeouts == {"shop/runaway": 1, "shop/sound": 1}


@pytest.mark.parametrize("key", ["label", "between", "value"])
def test_no_pattern_of_an_anchor_escapes_the_limit(bench: Bench, key: str) -> None:
    keys = {"label": "'TOTAL'", "value": "'b'", "between": "'x'"} | {key: "'(a|aa)+$'"}
    rule = ", ".join(f"{name}: {pattern}" for name, pattern in keys.items())
    bench.rules("shop", f"- {{id: after, kind: anchor, reach: 3, {rule}}}")
    tier = bench.load()
    tier.propose([Document("TOTAL\n" + "a" * 60 + "!\nb")], ["shop"])
    assert tier.timeouts == {"shop/after": 1}


def test_threads_share_a_tier(bench: Bench) -> None:
    bench.rules("shop", RUNAWAY)
    tier = bench.load()
    document = Document("a" * 60 + "!\nbaker")
    threads = [threading.Thread(target=tier.propose, args=([document], ["shop"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tier.timeouts["shop/runaway"] == 4


# --- any input ---


def test_line_breaks_of_all_kinds_are_line_breaks_and_quotes_stay_verbatim(bench: Bench) -> None:
    bench.rules("shop", "- {id: block, kind: block, start: '^A', most: 3}")
    for separator in ("\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"):
        text = separator.join(["x", "A", "B", "C", "D"])
        [candidate] = bench.find("shop", text)
        assert candidate.value == "A B C"
        assert candidate.text == separator.join("ABC") == text[slice(*candidate.spans[0])]


def test_control_characters_part_words_and_are_no_part_of_values(bench: Bench) -> None:
    bench.rules("shop", r"- {id: some, kind: pattern, pattern: 'SHOP\s\w+'}")
    [candidate] = bench.find("shop", "\x00SHOP\x07ONE\x00")
    assert (candidate.value, candidate.text) == ("SHOP ONE", "SHOP\x07ONE")


def test_only_the_beginning_of_a_long_text_is_read(bench: Bench) -> None:
    bench.rules("total", r"- {id: some, kind: pattern, pattern: '\d\.\d\d'}")
    assert bench.values("total", " " * (MAX_SCANNED_CHARS - 4) + "1.00") == ["1.00"]
    assert bench.values("total", " " * MAX_SCANNED_CHARS + "1.00") == []


@pytest.fixture(scope="module")
def receipts(project_home: Home) -> tuple[RulesTier, TaskSpec]:
    task = project_home.task("receipts")
    return RulesTier.load(project_home.rules, task, limits=TimeLimits(1.0, 10.0)), task


WORDS = st.sampled_from(
    [
        "TOTAL",
        "TOTAL:",
        "RM",
        "9.00",
        "$8.20",
        "SDN BHD",
        "NO. 5, JALAN",
        "81100 JOHOR",
        "DATE",
        "25/12/2018",
        "CASH",
        "x",
    ]
)
LINES = st.lists(st.lists(WORDS | st.text(max_size=6), max_size=4).map(" ".join), max_size=14)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_candidates_quote_the_text_and_are_canonical_values(
    receipts: tuple[RulesTier, TaskSpec], lines: list[str], separator: str
) -> None:
    tier, task = receipts
    document = Document(separator.join(lines))
    [output] = tier.propose([document], list(task.fields))
    [again] = tier.propose([document], list(task.fields))
    assert again.proposals == output.proposals
    for name, proposal in output.proposals.items():
        normalised = [candidate.normalised for candidate in proposal.candidates]
        assert len(set(normalised)) == len(normalised) <= 5
        for candidate in proposal.candidates:
            assert candidate.text == " ".join(document.text[start:end] for start, end in candidate.spans)
            assert candidate.normalised == canonical(task.fields[name].type, candidate.value)
            assert candidate.source in tier.sources


@pytest.mark.parametrize(
    "text",
    ["", " \n\t\n", "\n" * 1_000_000, "1" * 1_000_000, "TOTAL\n" * 170_000, "\ud800TOTAL 9.00\udfff", "\x00" * 1000],
    ids=["empty", "blank", "line breaks", "digits", "labels", "lone surrogates", "nulls"],
)
def test_odd_texts_get_an_answer(project_home: Home, text: str) -> None:
    task = project_home.task("receipts")
    [output] = RulesTier.load(project_home.rules, task).propose([Document(text)], list(task.fields))
    assert set(output.proposals) == set(task.fields)
    if "9.00" in text:
        assert output.proposals["total"].best is not None
