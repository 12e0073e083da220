"""Published patterns that run away (catastrophic.yaml): each is done or stopped in time, and its field escalates."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.document import Document
from gateway.tiers.rules import TimeLimits
from gateway.tiers.rules.tier import STRIKE_CHARACTERS, RulesTier
from tests.gateway.tiers.rules.conftest import Bench

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("catastrophic.yaml").read_text("utf-8"))
STOPPED = [case for case in CASES if case["outcome"] == "stopped"]
LIMITS = TimeLimits()
#: Between two looks at the clock the regex module may read all of a text once, a hundred times: seconds.
OVERRUN = 0.05


def attack(case: dict[str, Any]) -> str:
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in case["attack"])


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["name"] for case in cases]


def rule(identifier: str, pattern: str) -> str:
    return f"- {{id: {identifier}, kind: pattern, pattern: {json.dumps(pattern)}}}"


def load(bench: Bench, *rules: str, **options: object) -> RulesTier:
    bench.rules("shop", "\n".join(rules))
    return bench.load(**options)


def test_the_list_says_where_each_pattern_comes_from() -> None:
    published = [case for case in STOPPED if not case["source"].startswith("our own")]
    assert len(published) >= 18
    assert len(CASES) >= 30
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", STOPPED, ids=ids(STOPPED))
def test_a_pattern_that_runs_away_is_stopped_and_its_field_escalates(bench: Bench, case: dict[str, Any]) -> None:
    tier = load(bench, rule("evil", case["pattern"]), rule("sound", r"\S"))
    began = time.thread_time()
    [output] = tier.propose([Document(attack(case))], ["shop", "total"])
    spent = time.thread_time() - began
    assert tier.timeouts == {"shop/evil": 1}
    assert output.timed_out == ("shop",)
    assert output.proposals["shop"].best is not None
    assert output.proposals["shop"].best.source == "shop/sound"
    assert spent < LIMITS.rule + LIMITS.rule + OVERRUN


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["outcome"] == "survived"],
    ids=ids([case for case in CASES if case["outcome"] == "survived"]),
)  # fmt: skip
def test_what_the_regex_module_copes_with_is_done_in_time(bench: Bench, case: dict[str, Any]) -> None:
    tries = 5  # the limit is real time: on a busy machine another process may have had it
    for _ in range(tries):
        tier = load(bench, rule("evil", case["pattern"]))
        [output] = tier.propose([Document(attack(case))], ["shop"])
        if tier.timeouts == {} and output.timed_out == ():
            return
    pytest.fail(f"ran out of time in each of {tries} tries")


def test_forty_of_them_together_cost_a_document_its_limit_and_no_more(bench: Bench) -> None:
    patterns = [case["pattern"] for case in STOPPED] * 2
    text = "\n".join(attack(case) for case in STOPPED)
    tier = load(bench, *(rule(f"evil-{number}", pattern) for number, pattern in enumerate(patterns)))
    assert len(patterns) >= 40
    began = time.thread_time()
    [output] = tier.propose([Document(text)], ["shop"])
    assert time.thread_time() - began < LIMITS.document + LIMITS.rule + 2 * OVERRUN
    assert output.timed_out == ("shop",)
    assert sum(tier.timeouts.values()) > len(patterns) / 2


def test_a_rule_that_keeps_running_out_is_set_aside_until_it_is_edited(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    evil, sound = rule("evil", "^(a|aa)+$"), rule("sound", "b+")
    tier = load(bench, evil, sound)
    document, other = Document("a" * 60 + "!\nbbb"), Document("bbb")
    for _ in range(3):
        assert tier.set_aside == ()
        tier.propose([document], ["shop"])
    assert tier.set_aside == ("shop/evil",)

    [output] = tier.propose([document], ["shop"])
    assert tier.timeouts == {"shop/evil": 3}
    assert output.timed_out == ("shop",)
    assert [candidate.value for candidate in output.proposals["shop"].candidates] == ["bbb"]
    assert [run.outcome for run in tier.trace(document, ["shop"])["shop"]] == ["set-aside", "found"]
    # Where it could find nothing anyway, nothing is missing.
    assert tier.propose([other], ["shop"])[0].timed_out == ()
    said = [record.getMessage() for record in caplog.records]
    assert sum("set aside" in message for message in said) == 1
    assert sum("out of time" in message for message in said) == 4

    # Another rule edited: it stays aside. Edited itself: it is tried again.
    again = load(bench, evil, rule("sound", "b{3}"), strikes=tier.strikes)
    assert again.set_aside == ("shop/evil",)
    edited = load(bench, rule("evil", "^a+$"), sound, strikes=tier.strikes)
    assert edited.set_aside == ()
    assert edited.propose([document], ["shop"])[0].timed_out == ()


def test_running_out_on_a_long_text_is_counted_but_no_strike(bench: Bench) -> None:
    tier = load(bench, rule("evil", "^(a|aa)+$"))
    long = Document("a" * 60 + "!" + "\nb" * STRIKE_CHARACTERS)
    for _ in range(5):
        [output] = tier.propose([long], ["shop"])
        assert output.timed_out == ("shop",)
    assert tier.timeouts == {"shop/evil": 5}
    assert tier.set_aside == ()


def test_a_rule_whose_time_others_have_used_is_not_to_blame(bench: Bench) -> None:
    limits = TimeLimits(rule=0.005, document=0.005)
    tier = load(bench, rule("evil", "^(a|aa)+$"), rule("innocent", "b+"), limits=limits)
    for _ in range(5):
        [output] = tier.propose([Document("a" * 60 + "!\nbbb")], ["shop"])
        assert output.timed_out == ("shop",)
    assert tier.set_aside == ("shop/evil",)
    assert tier.timeouts["shop/innocent"] == 3
    assert output.proposals["shop"].best is not None


def test_a_field_without_a_late_rule_is_not_named(bench: Bench) -> None:
    bench.rules("total", r"- {id: any, kind: pattern, pattern: '\d\.\d\d'}")
    tier = load(bench, rule("evil", "^(a|aa)+$"))
    [output] = tier.propose([Document("a" * 60 + "! 9.00")], ["total", "shop"])
    assert output.timed_out == ("shop",)
    assert output.proposals["total"].best is not None
