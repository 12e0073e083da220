"""Files made to hurt end with a finding, in bounded time and memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.rules.lint import check_task
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.hazards import hazards
from gateway.tiers.rules.lint.probing import Prober
from gateway.tiers.rules.patterns import PatternProblem, compile_pattern
from gateway.tiers.rules.syntax import TooDeep, parse_pattern, written_out
from gateway.tiers.rules.yamlfile import YamlProblem, parse_yaml
from tests.gateway.tiers.rules.lint.conftest import Desk

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (BOMB, "R008"),
        (MERGES, "R008"),
        ("{" * 50_000, "R008"),
        ("- " * 50_000, "R008"),
        ("\n".join(f"{' ' * depth}a:" for depth in range(900)), "R008"),
        ("a: !!python/object/apply:os.system [ls]", "R006"),
        ("a: 1e99999999\nb: " + "9" * 10_000, "R006"),
        ("a: 2018-99-99", "R006"),
        ("? [a, b]\n: c", "R006"),
        ("&a a: *b", "R006"),
        ("a: &a [*a]", "R011"),
    ],
)
@pytest.mark.parametrize("name", ["bills/task.yaml", "bills/total.yaml", "library/a.yaml", "bills/filters.yaml"])
def test_hostile_yaml_is_a_finding(desk: Desk, name: str, content: str, code: str) -> None:
    desk.write(name, content)
    assert code in {finding.code for finding in desk.check() if finding.file.endswith(name)}


def test_a_file_of_100_mb_takes_neither_its_time_nor_its_memory(desk: Desk) -> None:
    with desk.write("bills/total.yaml", "").open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    code = f"""
import resource, sys
from pathlib import Path
from gateway.tiers.rules.lint import check_task
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
[finding] = check_task(Path({str(desk.path)!r}), "bills")
assert finding.code == "R002", finding
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 40_000, grown  # KiB
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "pattern", ["a{99999999}", "(?:a{1000}){1000}", "(?:(?:a{100}){100}){100}", r"(?:\d{1000,}x){1000,}", "(" * 3999]
)
def test_patterns_that_compile_slowly_are_refused_before(pattern: str) -> None:
    with pytest.raises(PatternProblem):
        compile_pattern(pattern)


RUN_AWAY = [
    r"(a+)+b",
    r"(\w+\s?)+$",
    r"(a|a)*c",
    r"(a|aa)+$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(.*)*x",
    r"(x+x+)+y",
    r"\s*\s*\s*x",
    r"(?:\d+[.,]?)+ EUR",
    r"([a-z0-9])(([\-.]|[_]+)?([a-z0-9]+))*(@)[a-z0-9]+[.](([a-z]{2,3}))$",
]
HARMLESS = [
    r"(?>a+)+b",
    r"(?:a++)+b",
    r"(\s*\d+\s*,)*",
    r"(?:foo|far)*z",
    r"TOTAL(\s*:\s*)*\d",
    r"\w+(?:\s\w+)*$",
    r"(?:TOTAL){e<=1}",
    r"\d{1,3}(?:,\d{3})*(?:\.\d\d)?",
]


@pytest.mark.parametrize("pattern", RUN_AWAY)
def test_patterns_that_run_away_are_found(pattern: str) -> None:
    node = parse_pattern(pattern)
    assert Prober().probe(compile_pattern(pattern), node, list(hazards(node))).runs_away_on is not None


@pytest.mark.parametrize("pattern", HARMLESS)
def test_harmless_patterns_are_left_alone(pattern: str) -> None:
    node = parse_pattern(pattern)
    probe = Prober().probe(compile_pattern(pattern), node, list(hazards(node)))
    assert (probe.runs_away_on, probe.kept) == (None, ())


def test_what_is_slow_but_does_not_run_away_is_a_warning(desk: Desk) -> None:
    desk.rules(r"- {id: one, kind: pattern, pattern: '^(?:\d+,?)+$', examples: [{text: '1', value: '1'}]}")
    assert desk.codes() == ["R032"]


def test_probing_ends_when_its_time_is_up() -> None:
    prober = Prober(seconds=0.3)
    for number in range(20):
        pattern = f"(?:{chr(97 + number)}+)+!"
        node = parse_pattern(pattern)
        prober.probe(compile_pattern(pattern), node, list(hazards(node)))
    assert prober.exhausted


def test_many_patterns_that_run_away_end_the_probing_of_a_task(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.tiers.rules.lint.probing.SECONDS_A_TEXT", 0.05)
    monkeypatch.setattr(Prober.__init__, "__defaults__", (0.2,))
    desk.rules("\n".join(f"- {{id: r{n}, kind: pattern, pattern: '(?:a+)+{n}'}}" for n in range(20)))
    codes = desk.codes()
    assert "R031" in codes
    assert "R036" in codes


def test_examples_that_run_out_of_time_end_with_the_clock(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock.__init__, "__defaults__", (1.0, 20_000_000))
    slow = f"{{text: '{'a' * 60}!b', value: null}}"
    rules = [f"- {{id: r{n}, kind: pattern, pattern: '(?:a|a)*b', examples: [{slow}, {slow}]}}" for n in range(40)]
    desk.rules("\n".join(rules))
    codes = desk.codes()
    # One pattern is probed once, and a rule that runs out of time is not tried again.
    assert (codes.count("R031"), codes.count("R017")) == (40, 1)
    assert 0 < codes.count("R044") < 20


def test_patterns_that_unfold_into_too_much_end_the_checking(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock.__init__, "__defaults__", (60.0, 100_000))
    desk.write("library/a.yaml", f"recognisers: {{big: {{pattern: '{'x' * 3900}'}}}}")
    twelve = "{{big}}" * 12
    desk.rules("\n".join(f"- {{id: r{n}, kind: pattern, pattern: '{twelve}{n}'}}" for n in range(9)))
    assert desk.codes() == ["R040", "R040", "R040", "R017"]


@given(st.text(alphabet="ab1.[](){}|*+?\\^$<=>!:P#,-x \n\té", max_size=60))
def test_any_pattern_has_a_structure_and_a_size(pattern: str) -> None:
    try:
        node = parse_pattern(pattern)
    except TooDeep:
        return
    assert written_out(node) >= 0
    list(hazards(node))


@given(st.text(alphabet="ab:{}[]&*-,'\"#|>!%@`? \n\t\r\0é\ufeff", max_size=80))
def test_any_text_is_yaml_or_a_problem(text: str) -> None:
    with contextlib.suppress(YamlProblem):
        parse_yaml(text).locate(["a", 0, "b"])


@given(st.binary(max_size=200))
def test_any_bytes_end_with_findings(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk") / "rules")
    desk.write("bills/total.yaml", content)
    findings = check_task(desk.path, "bills")
    assert any(finding.file.endswith("total.yaml") for finding in findings)
