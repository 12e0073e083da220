"""Every code of the linter is found where it should be, and nowhere else."""

from __future__ import annotations

import pytest

from gateway.home import Home
from gateway.tiers.rules.lint import CODES, check_task
from tests.gateway.tiers.rules.lint.conftest import TOTAL, Desk

EXAMPLES = 'examples: [{text: "TOTAL 9.00", value: "9.00"}]'
#: Code, the rules of the field, and what stands where the finding is (in its last place).
IN_RULES = [
    ("R009", f"- {{id: one, id: two, kind: pattern, pattern: '9.00', {EXAMPLES}}}", 'id: two'),
    ("R010", f"- id: one\n  kind: pattern\n  pattern: '9\\.00'\n  patern: x\n  {EXAMPLES}", 'patern:'),
    ("R011", f"- {{id: one, kind: pattern, {EXAMPLES}}}", '{id'),
    ("R012", f"- {{id: one, kind: guess, {EXAMPLES}}}", 'guess'),
    ("R013", f"- {{id: one, kind: pattern, pattern: '9.00', priority: high, {EXAMPLES}}}", 'high'),
    ("R013", "- {id: one, kind: pattern, pattern: '9.00', examples: [{text: x, value: 9.00}]}", '9.00}]}'),
    ("R016", f"- {{id: one, kind: pattern, pattern: '9.00', validate: {{min: soon}}, {EXAMPLES}}}", 'soon'),
    ("R021", f"- {{id: one, kind: pattern, pattern: '9.00', unless: [two], {EXAMPLES}}}", 'two]'),
    ("R021", "- {id: one, kind: agreement, of: [two], examples: [{text: x, value: null}]}", 'two]'),
    ("R024", f"- {{id: one, kind: pattern, pattern: '{{{{none}}}}', {EXAMPLES}}}", "'{{none"),
    ("R030", f"- {{id: one, kind: pattern, pattern: '(9', {EXAMPLES}}}", "'(9"),
    ("R030", f"- {{id: one, kind: pattern, pattern: '9.00', forbid: {{line: '['}}, {EXAMPLES}}}", "'["),
    ("R031", f"- {{id: one, kind: pattern, pattern: '(?:9+)+\\.00', {EXAMPLES}}}", "'(?:9"),
    ("R033", f"- {{id: one, kind: pattern, pattern: '9.00|a{{9000000}}', {EXAMPLES}}}", "'9.00|"),
    ("R033", f"- {{id: one, kind: pattern, pattern: '{'(' * 300}9.00{')' * 300}', {EXAMPLES}}}", "'((("),
    ("R034", f"- {{id: one, kind: anchor, label: '(?:TOT){{e<=2}}', {EXAMPLES}}}", "'(?:TOT"),
    ("R034", f"- {{id: one, kind: anchor, label: '(?:TOTAL){{e}}', {EXAMPLES}}}", "'(?:TOT"),
    ("R035", r"- {id: one, kind: pattern, pattern: '9', replace: [{pattern: x, by: '\2'}]}", "[{pattern: x"),
    ("R037", '- {id: one, kind: pattern, pattern: "x*", examples: [{text: y, value: null}]}', '"x*"'),
    ("R040", "- {id: one, kind: pattern, pattern: '9.00'}", '{id'),
    ("R041", '- {id: one, kind: pattern, pattern: "8.00", examples: [{text: "8.00", value: "9.00"}]}', '{text: "8'),
    ("R041", '- {id: one, kind: pattern, pattern: "8.00", examples: [{text: "8.00", value: null}]}', '{text: "8'),
    ("R042", '- {id: one, kind: pattern, pattern: "8.00", examples: [{text: "8.00", value: "much"}]}', '"much"'),
    (
        "R043",
        "- {id: one, kind: pattern, pattern: '9.00', validate: {max: 5}, examples: [{text: '9.00', value: '9.00'}]}",
        "{text: '9",
    ),
    ("R050", f"- {{id: one, kind: anchor, label: SUM, {EXAMPLES.replace('TOTAL', 'SUM')}}}\n"
             f"- {{id: two, kind: anchor, label: SUM, {EXAMPLES.replace('TOTAL', 'SUM')}}}", "{id: two"),
    ("R051", f"{TOTAL}- {{id: one, kind: pattern, pattern: '9.00', {EXAMPLES}}}", "{id: one"),
    ("R038", f'- {{id: one, kind: anchor, label: "\\bTOTAL", {EXAMPLES}}}', '"\\bTOTAL'),
    ("R052", f"{TOTAL}- {{id: one, kind: agreement, examples: [{{text: x, value: null}}]}}", "{id: one"),
    ("R060", "- {id: one, kind: lookup, file: a.csv, lines: {first: 1}, examples: [{text: x, value: null}]}", "a.csv"),
]  # fmt: skip


def test_a_task_in_order_has_no_findings(desk: Desk) -> None:
    assert desk.check() == []


@pytest.mark.parametrize(("code", "rules", "mark"), IN_RULES)
def test_findings_in_rules_stand_at_their_line_and_column(desk: Desk, code: str, rules: str, mark: str) -> None:
    desk.rules(rules)
    before = (desk.path / "bills" / "total.yaml").read_text().rpartition(mark)[0]
    findings = [finding for finding in desk.check() if finding.code == code]
    assert len(findings) == 1, desk.check()
    [finding] = findings
    assert (finding.line, finding.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert finding.severity == CODES[code].severity
    assert finding.file == str(desk.path / "bills" / "total.yaml")
    assert finding.rule is None or finding.rule in ("total/one", "total/two")
    # A wrong rule is found once; what follows from it is not reported too.
    assert {other.code for other in desk.check()} <= {code, "R040", "R041", "R051"}


WITH_LOOKUP = """
- id: one
  kind: lookup
  file: a.csv
  lines: {first: 1}
  examples: [{text: nothing, value: null}]
"""


IN_FILES: list[tuple[str, dict[str, str | bytes], tuple[str, int, int]]] = [
    ("R002", {"bills/total.yaml": b"# " + b"x" * 3_000_000}, ("total.yaml", 1, 1)),
    ("R003", {"bills/total.yaml": b"field: total\nrules: \xff"}, ("total.yaml", 2, 8)),
    ("R004", {"bills/total.yaml": b"\xef\xbb\xbffield: total\nrules:\n" + TOTAL.encode()}, ("total.yaml", 1, 1)),
    ("R005", {"bills/total.yaml": b"field: total\nrules: \x00"}, ("total.yaml", 2, 8)),
    ("R005", {"bills/total.yaml": b"field: total\nrules: \x07"}, ("total.yaml", 2, 8)),
    ("R006", {"bills/total.yaml": b"field: total\nrules: ["}, ("total.yaml", 2, 9)),
    ("R007", {"bills/total.yaml": b"field: total\nrules:\n\t- id: x"}, ("total.yaml", 3, 1)),
    ("R008", {"bills/total.yaml": b"rules: " + b"[" * 100_000}, ("total.yaml", 1, 47)),
    ("R010", {"bills/total.yaml": b"field: total\nmore: 1\nrules:\n" + TOTAL.encode()}, ("total.yaml", 2, 1)),
    ("R011", {"bills/total.yaml": b"rules:\n" + TOTAL.encode()}, ("total.yaml", 1, 1)),
    ("R013", {"bills/total.yaml": b"[a, list]"}, ("total.yaml", 1, 1)),
    ("R014", {"bills/total.yaml": b"field: sum\nrules:\n" + TOTAL.encode()}, ("total.yaml", 1, 8)),
    ("R010", {"bills/task.yaml": "fields:\n  total: {type: money, typ: x}"}, ("task.yaml", 2, 24)),
    ("R013", {"bills/task.yaml": "fields:\n  total: {type: monney}"}, ("task.yaml", 2, 17)),
    ("R014", {"bills/task.yaml": "fields: {total: {type: money}, filters: {}}"}, ("task.yaml", 1, 1)),
    ("R015", {"bills/task.yaml": "task: pills\nfields: {total: {type: money}}"}, ("task.yaml", 1, 7)),
    ("R022", {"bills/totals.yaml": "field: totals\nrules: []"}, ("totals.yaml", 1, 1)),
    ("R023", {"bills/task.yaml": "fields: {total: {type: money}, shop: {}}"}, ("task.yaml", 1, 1)),
    ("R023", {"bills/total.yaml": "field: total\nrules: []"}, ("total.yaml", 2, 8)),
    ("R025", {"library/a.yaml": "recognisers: {a: {pattern: x}}",
                  "library/b.yaml": "recognisers: {a: {pattern: y}}"}, ("b.yaml", 1, 15)),
    ("R026", {"library/a.yaml": "recognisers: {a: {pattern: '{{a}}'}}"}, ("a.yaml", 1, 28)),
    ("R030", {"library/a.yaml": "recognisers:\n  a: {pattern: '('}"}, ("a.yaml", 2, 16)),
    ("R012", {"bills/filters.yaml": "filters:\n- {id: one, kind: moon}"}, ("filters.yaml", 2, 19)),
    ("R020", {"bills/filters.yaml": "filters:\n- {id: one, kind: length, min_words: 1, examples: [{text: x, "
                  "filtered: false}]}\n- {id: one, kind: length, min_words: 1}"}, ("filters.yaml", 3, 8)),
    ("R030", {"bills/filters.yaml": "filters:\n- {id: one, kind: language, script: Klingon}"}, ("filters.yaml", 2, 3)),
    ("R041", {"bills/filters.yaml": "filters:\n- {id: one, kind: length, min_words: 2, "
                  "examples: [{text: x, filtered: false}]}"}, ("filters.yaml", 2, 52)),
    ("R061", {"bills/a.csv": "name\nx\n", "bills/total.yaml": f"field: total\nrules:\n{WITH_LOOKUP}"},
     ("a.csv", 1, 1)),
    ("R062", {"bills/a.csv": "text\n1.00\n2.00\n1.00\n", "bills/total.yaml": f"field: total\nrules:\n{WITH_LOOKUP}"},
     ("a.csv", 4, 1)),
    ("R063", {"bills/a.csv": "text\n1.00\nmuch\n", "bills/total.yaml": f"field: total\nrules:\n{WITH_LOOKUP}"},
     ("a.csv", 1, 1)),
    ("R064", {"bills/b.txt": "x\n"}, ("b.txt", 1, 1)),
    ("R065", {"bills/a.csv": "text\n", "bills/total.yaml": f"field: total\nrules:\n{WITH_LOOKUP}"}, ("a.csv", 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "files", "place"), IN_FILES)
def test_findings_in_files(desk: Desk, code: str, files: dict[str, str | bytes], place: tuple[str, int, int]) -> None:
    for name, content in files.items():
        desk.write(name, content)
    finding = desk.only()
    assert finding.code == code
    assert (finding.file.rpartition("/")[2], finding.line, finding.column) == place


def test_all_findings_of_a_file_are_told_at_once(desk: Desk) -> None:
    desk.rules(
        r"""
        - {id: one, kind: pattern, pattern: '(', forbid: {line: '['}, patern: x}
        - {id: two, kind: pattern, pattern: '(', forbid: {line: '['}}
        - {id: two, kind: guess}
        - {kind: pattern, pattern: x}
        """
    )
    found = [(finding.code, finding.line) for finding in desk.check()]
    assert found == [("R010", 3), ("R030", 4), ("R030", 4), ("R020", 5), ("R012", 5), ("R011", 6)]


def test_a_directory_in_place_of_a_file_cannot_be_read(desk: Desk) -> None:
    (desk.path / "bills" / "total.yaml").unlink()
    (desk.path / "bills" / "total.yaml").mkdir()
    assert desk.codes() == ["R001"]


def test_an_example_that_runs_out_of_time_is_told(desk: Desk) -> None:
    text = "a" * 40 + "!b"
    desk.rules(f"- {{id: one, kind: pattern, pattern: '(?:a|a)*b', examples: [{{text: {text}, value: null}}]}}")
    assert desk.codes() == ["R031", "R044"]


@pytest.mark.parametrize(
    ("least", "of", "never"),
    [
        (2, "[a, b, c]", False),
        (2, "[a, c], unless: [a]", True),
        (2, "[a, c, d], unless: [a]", False),
        (2, "[a, b]", True),
        (2, "[b, c]", False),
        (2, "[a, a]", True),
        (3, "[a, b, c]", True),
        (3, "[a, c, d]", False),
        (3, "[a, b, c, d]", False),
        (4, "[a, b, c, d]", True),
        (5, "[a, b, c, d]", True),
    ],
)
def test_agreements_of_rules_that_are_never_tried_together_are_found(
    desk: Desk, least: int, of: str, never: bool
) -> None:
    rule = "- {{id: {0}, kind: pattern, pattern: '{0}9', unless: [{1}], examples: [{{text: {0}9, value: null}}]}}"
    rules = [rule.format(*each) for each in (("a", ""), ("b", "a"), ("c", ""), ("d", ""))]
    desk.rules("\n".join([*rules, f"- {{id: all, kind: agreement, of: {of}, least: {least}, priority: -1}}"]))
    assert ("R052" in desk.codes()) is never


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("pattern: {{money}}", "'{{money}}'"),
        ("pattern: {{money}} EUR", "'{{money}}'"),
        ("label: TOTAL: RM", "label: 'TOTAL: RM'"),
        ("label: TOTAL:", "label: 'TOTAL:'"),
        ("label: [A-Z]+x", "label: '[A-Z]+x'"),
        ("label: *x", "label: '*x'"),
        ('label: "\\d+"', "single quotes"),
        ("label: 'it's'", "written twice"),
        ("label: 'x", "not closed"),
        (r"require: {line: \d{2}}", "single ones for patterns"),
        ("require: {line: {{money}}}", "'{{money}}'"),
    ],
)
def test_what_is_no_yaml_for_want_of_quotes_says_so_where_it_stands(desk: Desk, line: str, advice: str) -> None:
    desk.rules(f"- id: one\n  kind: anchor\n  {line}\n  priority: 1")
    finding = desk.only()
    assert (finding.code, finding.line) == ("R006", 5)
    assert advice in finding.message


@pytest.mark.parametrize(
    ("line", "code", "advice"),
    [
        ("label: [A-Z]", "R013", "in single quotes"),
        ("label: {money}", "R013", "in single quotes"),
        ("examples: [{text: TOTAL 9,00, value: null}]", "R010", "comma"),
    ],
)
def test_what_yaml_reads_otherwise_for_want_of_quotes_is_said(desk: Desk, line: str, code: str, advice: str) -> None:
    desk.rules(f"- id: one\n  kind: pattern\n  pattern: x\n  forbid: {{line: z}}\n  {line}".replace("label", "after"))
    assert [advice in finding.message for finding in desk.check() if finding.code == code] == [True]


def test_the_receipts_task_has_no_errors(project_home: Home) -> None:
    assert [item for item in check_task(project_home.rules, "receipts") if item.severity == "error"] == []


def test_every_code_is_shown_by_a_test() -> None:
    shown = {code for code, *_ in (*IN_RULES, *IN_FILES)}
    # These have tests of their own: here, in test_hostile, and of `cascade rules check`.
    assert set(CODES) - shown == {"R001", "R017", "R018", "R032", "R036", "R044", "R090", "R091"}
