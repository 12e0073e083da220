"""What the linter remembers between two checks: it saves work and changes no finding."""

from __future__ import annotations

import pytest

from gateway.tiers.rules.lint import PatternMemory, check_task
from gateway.tiers.rules.lint.probing import SECONDS_A_TEXT, Prober, expected_seconds
from gateway.tiers.rules.patterns import PatternProblem
from tests.gateway.tiers.rules.lint.conftest import Desk

RULE = "- {{id: {id}, kind: pattern, pattern: '{pattern}', examples: [{{text: '{text}', value: '{text}'}}]}}"


def _rule(name: str, pattern: str, text: str = "1") -> str:
    return RULE.format(id=name, pattern=pattern, text=text)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patterns that are tried, in order."""
    found: list[str] = []
    real = Prober.probe

    def probe(self: Prober, pattern, node, suspicions):  # type: ignore[no-untyped-def]
        found.append(pattern.pattern)
        return real(self, pattern, node, suspicions)

    monkeypatch.setattr(Prober, "probe", probe)
    return found


def test_only_what_was_edited_is_tried_again(desk: Desk, tried: list[str]) -> None:
    memory = PatternMemory()
    desk.rules(f"{_rule('one', '1')}\n{_rule('two', '2', '2')}")
    check_task(desk.path, "bills", memory)
    assert tried == ["1", "2"]
    desk.rules(f"{_rule('one', '1')}\n{_rule('two', '3', '3')}")
    check_task(desk.path, "bills", memory)
    assert tried == ["1", "2", "3"]


def test_an_edited_recogniser_is_tried_again_with_the_rules_that_use_it(desk: Desk, tried: list[str]) -> None:
    memory = PatternMemory()
    desk.rules(_rule("one", "{{digit}}"))
    for pattern in ("1", r"\d"):
        tried.clear()
        desk.write("library/a.yaml", f"recognisers: {{digit: {{pattern: '{pattern}'}}}}")
        check_task(desk.path, "bills", memory)
        assert tried == [pattern, f"(?:{pattern})"]


@pytest.mark.parametrize(
    "pattern", ["1", r"^(?:\d+,?)+$", "(?:1+)+x|1", "(?:TOTAL){e<=3}|1", "(1", "1|a{9000000}", "{{no}}"]
)
def test_findings_are_the_same_with_and_without(desk: Desk, pattern: str) -> None:
    memory = PatternMemory()
    desk.rules(_rule("one", pattern))
    fresh = desk.check()
    assert check_task(desk.path, "bills", memory) == fresh
    assert check_task(desk.path, "bills", memory) == fresh


def test_the_patterns_not_used_for_longest_are_forgotten() -> None:
    memory = PatternMemory(characters=25)
    first = memory.facts("a" * 10)
    second = memory.facts("b" * 10)
    assert memory.facts("a" * 10) is first
    memory.facts("c" * 10)
    assert memory.facts("a" * 10) is first
    assert memory.facts("b" * 10) is not second


def test_what_cannot_be_used_is_not_remembered() -> None:
    memory = PatternMemory()
    for _ in range(2):
        with pytest.raises(PatternProblem):
            memory.facts("(")


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_a_time_that_grows_with_a_power_of_the_length_is_told_ahead(power: int) -> None:
    expected = expected_seconds([0.1 / 4**power, 0.1 / 2**power, 0.1])
    assert expected is not None
    assert expected >= 0.1 * 2**power


@pytest.mark.parametrize("factor", [2.0, 3.0, 10.0])
def test_a_time_that_grows_exponentially_is_not(factor: float) -> None:
    assert expected_seconds([0.001, 0.001 * factor, 0.001 * factor**3]) is None


def test_a_time_too_short_to_measure_tells_nothing() -> None:
    assert expected_seconds([0.0, 0.0, SECONDS_A_TEXT]) is None
