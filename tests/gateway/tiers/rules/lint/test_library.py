"""What is wrong with the library is said once, and nothing that only follows from it."""

from __future__ import annotations

import pytest

from tests.gateway.tiers.rules.lint.conftest import Desk

LIBRARY = "recognisers:\n  amount: {pattern: '\\d+\\.\\d\\d'}\n  priced: {pattern: 'RM {{amount}}'}\n"
USERS = r"""
- id: one
  kind: pattern
  pattern: 'TOTAL {{amount}}'
  examples: [{text: TOTAL 9.00, value: TOTAL 9.00}, {text: x, value: null}]
- id: two
  kind: pattern
  pattern: '{{priced}} DUE'
  examples: [{text: RM 9.00 DUE, value: RM 9.00 DUE}, {text: x, value: null}]
- id: both
  kind: agreement
  priority: 1
  examples: [{text: "RM 9.00 DUE, TOTAL 9.00", value: "9.00"}, {text: x, value: null}]
"""


@pytest.fixture
def users(desk: Desk) -> Desk:
    desk.write("library/amounts.yaml", LIBRARY)
    desk.rules(USERS)
    assert desk.check() == []
    return desk


@pytest.mark.parametrize(
    ("library", "codes"),
    [
        (b"recognisers: [", ["R006"]),
        (b"recognisers:\n\tamount: x", ["R007"]),
        (b"\xff", ["R003"]),
        (b"recognisers: []", ["R013"]),
        (b"recognisers:", ["R013"]),
        (b"", ["R013"]),
        (b"{}", ["R011"]),
        (LIBRARY.replace("pattern: '\\d", "patern: '\\d").encode(), ["R011", "R010"]),
        (LIBRARY.replace("\\d+", "(\\d+").encode(), ["R030"]),
        (LIBRARY.replace("\\d+", "\\d{99999999}").encode(), ["R033"]),
        (LIBRARY.replace("\\d+", "{{amont}}").encode(), ["R024"]),
        (LIBRARY.replace("\\d+", "{{priced}}").encode(), ["R026"]),
    ],
)
def test_what_is_wrong_in_the_library_is_said_there_and_of_no_rule_that_uses_it(
    users: Desk, library: bytes, codes: list[str]
) -> None:
    path = users.write("library/amounts.yaml", library)
    found = users.check()
    assert [item.code for item in found] == codes
    assert {item.file for item in found} == {str(path)}


def test_what_has_nothing_to_do_with_the_library_is_still_said(users: Desk) -> None:
    users.write("library/amounts.yaml", "recognisers: [")
    users.rules(USERS + "- {id: own, kind: pattern, pattern: '(', examples: [{text: x, value: null}]}\n"
                "- {id: wrong, kind: pattern, pattern: '8', examples: [{text: '9', value: '9'}]}")  # fmt: skip
    assert sorted(users.codes()) == ["R006", "R030", "R041"]


def test_a_library_that_is_no_directory_is_one_finding(users: Desk) -> None:
    (users.path / "library" / "amounts.yaml").unlink()
    (users.path / "library").rmdir()
    assert set(users.codes()) == {"R024"}
    users.write("library", "")
    assert users.codes() == ["R001"]


def test_a_chain_of_names_of_any_length_ends(users: Desk) -> None:
    chain = "".join(f"  n{number}: {{pattern: 'x{{{{n{number + 1}}}}}'}}\n" for number in range(3000))
    users.write("library/chain.yaml", f"recognisers:\n{chain}  n3000: {{pattern: x}}\n")
    assert set(users.codes()) == {"R026"}


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("amont", "most like it: amount"),
        ("zzzz", "none of the "),
    ],
)
def test_an_unknown_name_is_answered_with_names_like_it(users: Desk, name: str, alike: str) -> None:
    users.rules(f"- {{id: one, kind: pattern, pattern: '{{{{{name}}}}}', examples: [{{text: x, value: null}}]}}")
    message = users.only().message
    assert f"no recogniser {{{{{name}}}}} in the library; {alike}" in message
    assert len(message) < 120


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        ("TOTAL {{amount}}(", "missing ) at the end of 'TOTAL {{amount}}('"),
        ("({{amount}} {{priced}}", "missing ) at the end of '({{amount}} {{priced}}'"),
        (r"{{amount}}\s)x", r"unbalanced parenthesis at character 12, between '{{amount}}\s' and ')x'"),
        (f"{'x' * 60}{{{{amount}}}}a)", f"between '…{'x' * 19}{{{{amount}}}}a' and ')'"),
        (r"[z-a]{{amount}}", "bad character range at character 4, between '[z-a' and ']{{amount}}'"),
    ],
)
def test_what_is_no_regular_expression_is_shown_as_its_author_wrote_it(users: Desk, pattern: str, where: str) -> None:
    users.rules(f"- {{id: one, kind: pattern, pattern: '{pattern}', examples: [{{text: x, value: null}}]}}")
    finding = users.only()
    assert finding.code == "R030"
    assert where in finding.message


def test_a_recogniser_that_defaults_use_is_said_once(users: Desk) -> None:
    users.write("library/own.yaml", "recognisers: {money: {pattern: '('}}")
    users.rules("- {id: one, kind: anchor, label: TOTAL, examples: [{text: TOTAL 9.00, value: '9.00'}]}")
    assert users.only().code == "R030"
