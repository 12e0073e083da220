"""Rule files: what is refused, and how the digests change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.errors import RuleFileError
from gateway.tiers.rules import schema
from tests.gateway.tiers.rules.conftest import TASK, Bench

GOOD = r"- {id: good, kind: pattern, pattern: '\d\.\d\d', precision: 0.9}"


@pytest.mark.parametrize(
    ("rule", "key", "says"),
    [
        ("- {id: bad, kind: pattern, pattern: x, patern: y}", "patern", "unknown key"),
        ("- {id: bad, kind: pattern}", "pattern", "required"),
        ("- {id: bad, kind: pattern, pattern: '(x'}", "pattern", "not a regular expression"),
        ("- {id: bad, kind: pattern, pattern: '{{nothing}}'}", "pattern", "no recogniser {{nothing}}"),
        ("- {id: bad, kind: pattern, pattern: ''}", "pattern", "at least 1"),
        ("- {id: bad, kind: guess, pattern: x}", "kind", "guess"),
        ("- {id: bad, pattern: x}", "kind", "kind"),
        ("- {id: bad, kind: pattern, pattern: x, priority: high}", "priority", "integer"),
        ("- {id: bad, kind: pattern, pattern: x, precision: 1.5}", "precision", "less than or equal to 1"),
        ("- {id: bad, kind: pattern, pattern: x, lines: {first: 1, last: 1}}", "lines", "either first or last"),
        ("- {id: bad, kind: pattern, pattern: x, forbid: {nearby: y}}", "forbid.nearby", "unknown key"),
        ("- {id: bad, kind: pattern, pattern: x, forbid: {line: '['}}", "forbid.line", "not a regular expression"),
        (r"- {id: bad, kind: pattern, pattern: x, replace: [{pattern: y, by: '\2'}]}", "replace", "bad replacement"),
        ("- {id: bad, kind: pattern, pattern: x, examples: [{text: y}]}", "examples.0.value", "required"),
        ("- {id: bad, kind: position, pattern: x}", "lines", "required"),
        ("- {id: bad, kind: lookup, lines: {first: 1}, file: ../task.csv}", "file", "pattern"),
        ("- {id: bad, kind: lookup, lines: {first: 1}, file: none.csv}", "file", "there is no file none.csv beside"),
        ("- {id: bad, kind: agreement, of: [good, nobody]}", "of", "nobody"),
        ("- {id: bad, kind: pattern, pattern: x, unless: [good]}", "unless", "good"),
    ],
)
def test_a_wrong_rule_is_refused_by_file_rule_and_key(bench: Bench, rule: str, key: str, says: str) -> None:
    bench.rules("total", f"{rule}\n{GOOD}")
    with pytest.raises(RuleFileError) as caught:
        bench.load()
    path = str(bench.path / "bills" / "total.yaml")
    detail = dict(caught.value.detail or {})
    line, column = detail.pop("line"), detail.pop("column")
    assert detail == {"file": path, "rule": "bad", "key": key}
    assert caught.value.message.startswith(f"{path}:{line}:{column}: rule bad: {key}: ")
    # What is missing is told where it should stand, all else where it stands.
    start = rule.find(f"{key.partition('.')[0]}: ")
    assert (line, column > max(start, 0)) == (3, True)
    assert says in caught.value.message


def test_a_rule_without_a_usable_id_is_named_by_its_number(bench: Bench) -> None:
    bench.rules("total", f"{GOOD}\n- {{id: Not Good, kind: pattern, pattern: x}}")
    with pytest.raises(RuleFileError, match="rule Not Good: id"):
        bench.load()
    bench.rules("total", f"{GOOD}\n- {{kind: pattern, pattern: x}}")
    with pytest.raises(RuleFileError, match="rule number 2: id"):
        bench.load()


def test_an_id_stands_once(bench: Bench) -> None:
    bench.rules("total", f"{GOOD}\n{GOOD}")
    with pytest.raises(RuleFileError, match="rule good: id: stands twice"):
        bench.load()


def test_a_balance_is_for_money(bench: Bench) -> None:
    bench.rules("shop", "- {id: paid, kind: balance}")
    with pytest.raises(RuleFileError, match="rule paid: kind: balance is for money"):
        bench.load()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("rules: []", "field"),
        ("field: date\nrules: []", "the file is called total.yaml"),
        ("field: total\nrules: []\nmore: 1", "more: unknown key"),
        ("field: total\nrules: [", "not YAML"),
        ("field: total\nfield: total\nrules: []", "'field' stands twice"),
        ("- a list", "file"),
    ],
)
def test_a_wrong_file_is_refused_by_name(bench: Bench, content: str, says: str) -> None:
    path = bench.write("bills/total.yaml", content)
    with pytest.raises(RuleFileError) as caught:
        bench.load()
    assert caught.value.message.startswith(str(path))
    assert says in caught.value.message


def test_a_file_that_is_not_utf_8_is_refused(bench: Bench) -> None:
    (bench.path / "bills" / "total.yaml").write_bytes(b"field: total # \xff")
    with pytest.raises(RuleFileError, match="not UTF-8"):
        bench.load()


def test_a_file_for_no_field_is_refused(bench: Bench) -> None:
    bench.write("bills/totals.yaml", "field: totals\nrules: []")
    with pytest.raises(RuleFileError, match=r"totals\.yaml: the task has no field of this name"):
        bench.load()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name,value\na,b\n", "column 'text'"),
        ("text\n...\n", "line 2: text is empty"),
        ("text,value\nA,1\na.,2\n", "line 3: 'a.' has a second value"),
    ],
)
def test_a_wrong_lookup_file_is_refused(bench: Bench, content: str, says: str) -> None:
    bench.write("bills/shops.csv", content)
    bench.rules("shop", "- {id: known, kind: lookup, file: shops.csv, lines: {first: 1}}")
    with pytest.raises(RuleFileError, match=r"rule known: file: shops\.csv") as caught:
        bench.load()
    assert says in caught.value.message


def test_recognisers_may_not_run_in_circles_or_stand_twice(bench: Bench) -> None:
    bench.rules("shop", "- {id: round, kind: pattern, pattern: '{{a}}'}")
    bench.write("library/a.yaml", "recognisers: {a: {pattern: '{{b}}'}, b: {pattern: '{{a}}'}}")
    with pytest.raises(RuleFileError, match="too deeply"):
        bench.load()
    bench.write(
        "library/a.yaml", "recognisers: {a: {pattern: '{{b}}{{b}}{{b}}{{b}}'}, b: {pattern: '%s'}}" % ("x" * 3999)
    )
    bench.rules("shop", "- {id: long, kind: pattern, pattern: '{{a}}{{a}}{{a}}{{a}}'}")
    with pytest.raises(RuleFileError, match="longer than"):
        bench.load()
    bench.write("library/b.yaml", "recognisers: {b: {pattern: y}}")
    with pytest.raises(RuleFileError, match="recogniser b is there already"):
        bench.load()
    (bench.path / "library" / "b.yaml").unlink()


def test_a_library_may_give_a_built_in_name_a_pattern_of_its_own(bench: Bench) -> None:
    bench.rules("date", "- {id: one, kind: pattern, pattern: '{{date}}'}")
    assert bench.values("date", "1 May 2018 or 02/05/2018") == ["1 May 2018", "02/05/2018"]
    bench.write("library/a.yaml", r"recognisers: {date: {pattern: '\d\d/\d\d/\d{4}'}}")
    assert bench.values("date", "1 May 2018 or 02/05/2018") == ["02/05/2018"]


def test_a_task_without_rule_files_has_no_rules(bench: Bench) -> None:
    tier = bench.load()
    assert tier.sources == ()
    assert set(tier.field_versions) == set(TASK.fields)


# --- digests ---

SHOP = "- {id: known, kind: lookup, file: shops.csv, lines: {first: 1}, cut: '{{mark}}', examples: [%s]}"


def _write_all(bench: Bench) -> None:
    bench.write("bills/shops.csv", "text\nCorner Shop\n")
    bench.write("library/marks.yaml", "recognisers: {mark: {pattern: '#'}, other: {pattern: '!'}}")
    bench.rules("shop", SHOP % "")
    bench.rules("total", GOOD)


CHANGES: dict[str, tuple[Callable[[Bench], object], set[str]]] = {
    "a comment": (lambda bench: bench.rules("total", f"# about it\n{GOOD}"), set()),
    "an example": (lambda bench: bench.rules("shop", SHOP % "{text: x, value: null}"), set()),
    "a recogniser not used": (
        lambda bench: bench.write("library/marks.yaml", "recognisers: {mark: {pattern: '#'}, other: {pattern: '?'}}"),
        set(),
    ),
    "a recogniser": (lambda bench: bench.write("library/marks.yaml", "recognisers: {mark: {pattern: '%'}}"), {"shop"}),
    "an entry": (lambda bench: bench.write("bills/shops.csv", "text\nCorner Shop\nTown Shop\n"), {"shop"}),
    "a pattern": (lambda bench: bench.rules("total", GOOD.replace("9}", "9, lines: {last: 9}}")), {"total"}),
    "a precision": (lambda bench: bench.rules("total", GOOD.replace("0.9", "0.8")), {"total"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_digests_tell_what_changed(bench: Bench, change: str) -> None:
    edit, fields = CHANGES[change]
    _write_all(bench)
    before, same = bench.load(), bench.load()
    assert (before.version, before.field_versions) == (same.version, same.field_versions)
    edit(bench)
    after = bench.load()
    assert after.version != before.version
    changed = {name for name in TASK.fields if after.field_versions[name] != before.field_versions[name]}
    assert changed == fields


def test_every_kind_of_rule_is_a_key_the_loader_knows_to_leave_out_of_messages(bench: Bench) -> None:
    kinds = {model.model_fields["kind"].annotation.__args__[0] for model in schema.RuleBase.__subclasses__()}
    for kind in kinds:
        bench.rules("total", f"- {{id: bad, kind: {kind}, priority: high}}")
        with pytest.raises(RuleFileError) as caught:
            bench.load()
        assert kind not in (caught.value.detail or {})["key"]
