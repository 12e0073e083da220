"""docs/rules.md: its examples work, it names every key, and following it gives a working task."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules import RulesTier, filter_schema, schema
from gateway.tiers.rules.examples import run_examples, run_filter_examples
from gateway.tiers.rules.lint import check_task
from gateway.tiers.rules.lint.findings import CODES
from gateway.tiers.rules.normalising import STEPS

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "rules.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
RULE_FILES = [block for block in BLOCKS if re.search(r"^field:", block, re.MULTILINE)]
FILTER_FILES = [block for block in BLOCKS if block.startswith("filters:")]
KINDS = schema.kinds_of(schema.RuleBase)
TYPES = {"date": "date", "wanted": "date", "total": "money", "amount": "money"}
CITIES = re.findall(r"word list `cities.txt`\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def section(title: str) -> str:
    """What stands under a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.partition(f"\n{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def keys(text: str) -> set[str]:
    """Keys in the first column of tables."""
    cells = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", text, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`([\w-]+)`", cell)}


def test_there_are_examples() -> None:
    assert len(RULE_FILES) >= 12
    assert len(FILTER_FILES) == 1


@pytest.mark.parametrize("block", RULE_FILES)
def test_rule_files_on_the_page_load_and_their_examples_hold(block: str, tmp_path: Path) -> None:
    name = yaml.safe_load(block)["field"]
    task = TaskSpec("bills", {name: FieldSpec(name, TYPES.get(name, "text"))})  # type: ignore[arg-type]
    (tmp_path / "bills").mkdir()
    (tmp_path / "bills" / f"{name}.yaml").write_text(block)
    (tmp_path / "bills" / "cities.txt").write_text(CITIES[0])
    results = list(run_examples(RulesTier.load(tmp_path, task)))
    assert None in {result.expected for result in results}
    assert len({result.expected is None for result in results}) == 2
    assert [result for result in results if not result.passed] == []


def test_filters_on_the_page_load_and_their_examples_hold(tmp_path: Path) -> None:
    (tmp_path / "bills").mkdir()
    (tmp_path / "bills" / "filters.yaml").write_text(FILTER_FILES[0])
    filters = RulesTier.load(tmp_path, TaskSpec("bills", {"total": FieldSpec("total", "money")})).rules.filters
    results = list(run_filter_examples(filters))
    assert {item.kind for item in filters.filters} == set(schema.kinds_of(filter_schema.FilterBase))
    assert len(results) == 8
    assert [result for result in results if not result.passed] == []


def test_the_library_file_on_the_page_is_one() -> None:
    [block] = [block for block in BLOCKS if block.startswith("recognisers:")]
    assert schema.LibraryFile.model_validate(yaml.safe_load(block)).recognisers


def test_the_page_names_every_kind_and_every_key_and_no_other() -> None:
    names = {name: field.alias or name for name, field in schema.RuleBase.model_fields.items()}
    shared = set(names.values()) | {"kind"}
    assert keys(section("## Keys of all kinds")) == shared
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == set(KINDS)
    for kind, model in KINDS.items():
        own = {
            name
            for name, field in model.model_fields.items()
            if (name not in names and name != "kind") or (name == "lines" and name in model.__annotations__)
        }
        assert keys(section(f"### {kind}")) == own, kind
    for name in schema.Context.model_fields:
        assert f"`{name}`" in section("## Keys of all kinds")


def test_the_page_names_every_step_and_every_validation_and_every_filter() -> None:
    text = section("### From the text to the value")
    assert keys(text) == {*STEPS, "canonical", *schema.Validation.model_fields}
    table = section("## Filters")
    for kind, model in schema.kinds_of(filter_schema.FilterBase).items():
        row = re.search(rf"^\| `{kind}` \| (.*?) \|", table, re.MULTILINE)
        assert row is not None, kind
        own = set(model.model_fields) - set(filter_schema.FilterBase.model_fields) - {"kind"}
        assert set(re.findall(r"`(\w+)`", row[1])) == own


# --- from nothing in five minutes ---

START = PAGE.partition("## From nothing in five minutes\n")[2].partition("\n## ")[0]


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Does what the section says, in order; the commands of the last block with what they print."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASCADE_HOME", raising=False)
    first, last = re.findall(r"^```sh\n(.*?)^```", START, re.DOTALL | re.MULTILINE)
    for line in first.splitlines():
        words = shlex.split(line)
        if words[0] == "cascade":
            assert CliRunner().invoke(main, words[1:]).exit_code == 0
        elif words[0] == "cd":
            monkeypatch.chdir(tmp_path / words[1])
        else:
            assert words[0] == "mkdir"
            Path(words[1]).mkdir()
    written = re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```", START, re.DOTALL | re.MULTILINE)
    assert len(written) == 5
    for name, content in written:
        Path(name).write_text(content)
    results = []
    for line in last.splitlines():
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code == 0, result.output
        results.append((line, result.stdout))
    return results


def test_following_the_page_gives_a_working_task(followed: list[tuple[str, str]]) -> None:
    check, test, extract, explain = (output for _, output in followed)
    assert check.endswith("0 errors, 0 warnings\n")
    assert test == "6 examples, 0 failed\n"
    [shown] = re.findall(r"^```text\n(  number.*?)^```", START, re.DOTALL | re.MULTILINE)
    assert shown in extract
    assert "number: 'AB-10422' by number/labelled" in explain


def test_schemas_that_the_page_names_are_there(followed: list[tuple[str, str]]) -> None:
    for name in re.findall(r"\$schema=(\S+)", START):
        assert (Path("rules/orders") / name).is_file()
    assert check_task(Path("rules"), "orders") == []


# --- docs/rule-codes.md ---


def test_the_codes_page_has_every_code_with_its_severity() -> None:
    page = (DOCS / "rule-codes.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(R\d\d\d)` \| (error|warning) \|", page, re.MULTILINE))
    assert rows == {code: item.severity for code, item in CODES.items()}
