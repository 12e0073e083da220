"""``cascade data import``."""

import json

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.evaluation.dataset import read_dataset

CONTENT = "text;Name;Tags\nAnna here;Anna;a|b\n;Bob;c\n"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(CONTENT, "utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["data", "import", *map(str, arguments)])


def test_options_reach_the_reader_and_the_report_says_what_was_left_out(source, tmp_path):
    out = tmp_path / "out.jsonl"
    result = run("csv", source, out, "--delimiter", ";", "--separator", "|", "--rename", "Name=who", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["documents"] == 1
    assert report["skipped"] == [{"where": f"{source}:3", "code": "no-text", "message": "the text is empty"}]
    [document] = read_dataset(out)
    assert document.labels == {"who": "Anna", "tags": ["a", "b"]}


def test_an_output_that_is_there_is_not_replaced_without_force(source, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("kept", "utf-8")
    result = run("csv", source, out, "--delimiter", ";")
    assert (result.exit_code, out.read_text("utf-8")) == (2, "kept")
    assert "error[already-there]" in result.output
    result = run("csv", source, out, "--delimiter", ";", "--force")
    assert result.exit_code == 0
    assert "left out, no-text: 1 documents" in result.output
    assert "next: cascade data check" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["xml", "a", "b"], "is not one of"),
        (["csv", "none.csv", "b"], "error[invalid-dataset]"),
        (["csv", "SOURCE", "b"], "--delimiter"),
        (["csv", "SOURCE", "b", "--delimiter", "ab"], "one character"),
        (["csv", "SOURCE", "b", "--delimiter", ";", "--rename", "x"], "OLD=NEW"),
        (["csv", "SOURCE", "b", "--delimiter", ";", "--rename", "x=y"], "no field 'x'"),
        (["csv", "SOURCE", "b", "--delimiter", ";", "--fields", "y"], "no field 'y'"),
        (["csv", "SOURCE", "b", "--encoding", "nonsense"], "no encoding"),
    ],
)
def test_wrong_use_leaves_with_2_and_says_what_to_do(source, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    result = run(*[str(source) if word == "SOURCE" else word for word in arguments])
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert not (tmp_path / "b").exists()


LAW = "This is governed by the law of New York, not of Ohio."


@pytest.fixture
def contracts(tmp_path):
    rows = [
        {
            "id": "1",
            "text": LAW,
            "labels": {"law": LAW, "state": "New York", "date": "1/2/20"},
            "spans": {"law": [[0, len(LAW)]], "state": [[0, 4]]},
        },
        {"id": "2", "text": "x", "labels": {"law": "x", "state": None, "date": "[]/2/20"}, "spans": {"law": [[0, 1]]}},
        {"id": "3", "text": "y", "labels": {"law": None, "state": "Ohio", "date": None}},
    ]
    path = tmp_path / "contracts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def test_values_come_from_the_field_that_says_them_better(contracts, tmp_path):
    out = tmp_path / "out.jsonl"
    result = run("jsonl", contracts, out, "--values", "law=state", "--only", r"date=\d+/\d+/\d+")
    assert result.exit_code == 0, result.output
    first, second, third = read_dataset(out)
    assert first.labels == {"law": "New York", "date": "1/2/20"}
    assert [LAW[start:end] for start, end in first.spans["law"]] == ["New York"]
    assert (second.labels, second.spans) == ({}, {}), "a marked clause without a value, and a date with a blank in it"
    assert third.labels == {"law": None, "date": None}


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--values", "law=country", "--values: the source has no field 'country'"),
        ("--only", "day=x", "--only: the source has no field 'day'"),
        ("--only", "date=(", "no regular expression"),
        ("--only", "date", "give FIELD=REGEX"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(contracts, tmp_path, option, value, says):
    out = tmp_path / "out.jsonl"
    result = run("jsonl", contracts, out, option, value)
    assert result.exit_code != 0
    assert says in result.output
    assert not out.exists()
