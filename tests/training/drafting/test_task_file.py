"""``cascade task new``: what the data says becomes a task that checks."""

import json

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.errors import DatasetError, InvalidRequest
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import load_task
from gateway.tiers.rules.lint import check_task
from training.drafting.task_file import draft_task, parse_types

LINES = [
    {
        "id": str(number),
        "text": f"{day}/03/2026 {name} paid {amount} by 12 pens",
        "labels": {
            "date": f"{day}/03/2026",
            "name": name,
            "total": amount,
            "items": ["pen"] * (1 + number % 2),
            "vat": None,
        },
    }
    for number, (day, name, amount) in enumerate(
        (10 + place, f'Anna "{place}" #x: y', f"EUR {place}.50") for place in range(15)
    )
]


def documents(lines=LINES):
    return [LabelledDocument(line["id"], line["text"], line["labels"]) for line in lines]


def written(tmp_path, text, name="bills"):
    (tmp_path / name).mkdir()
    (tmp_path / name / "task.yaml").write_text(text, "utf-8")
    return load_task(tmp_path / name / "task.yaml")


def test_fields_types_and_writing_are_taken_from_the_data(tmp_path):
    lines = [dict(line) for line in LINES]
    for line in lines[:5]:
        line["labels"] = {**line["labels"], "name": None}
    task = written(tmp_path, draft_task("bills", documents(lines)))
    assert {name: (field.type, field.many, field.null_means) for name, field in task.fields.items()} == {
        "date": ("date", False, "absent"),
        "name": ("text", False, "absent"),
        "total": ("money", False, "absent"),
        "items": ("text", True, "absent"),
    }
    assert task.day_first
    assert not task.closed_labels
    # Fields without rules are all that is left to say.
    assert {finding.code for finding in check_task(tmp_path, "bills")} == {"R023"}


def test_month_first_dates_rare_nulls_and_closed_labels(tmp_path):
    lines = [
        {"id": str(n), "text": "x", "labels": {"date": f"03/{10 + n % 20}/2026", "price": f"1.{n:03},{n % 90 + 10}"}}
        for n in range(150)
    ]
    lines[3]["labels"]["price"] = None
    task = written(tmp_path, draft_task("a", documents(lines)), "a")
    assert not task.day_first
    assert task.decimal == ","
    assert task.fields["price"].null_means == "unannotated"
    del lines[3]["labels"]["price"]
    assert written(tmp_path, draft_task("b", documents(lines)), "b").closed_labels


def test_fields_and_types_can_be_chosen(tmp_path):
    text = draft_task("bills", documents(), ["total", "vat"], {"total": "text"})
    task = written(tmp_path, text)
    assert {name: field.type for name, field in task.fields.items()} == {"total": "text", "vat": "text"}
    assert "Left out: date, name, items" in text


def test_what_cannot_be_says_what_to_do():
    with pytest.raises(DatasetError, match="--rename timeRange=time_range"):
        draft_task("a", [LabelledDocument("1", "at 8", {"timeRange": "8"})])
    with pytest.raises(DatasetError, match="--rename task=NAME"):
        draft_task("a", [LabelledDocument("1", "at 8", {"task": "8"})])
    with pytest.raises(DatasetError, match="label some"):
        draft_task("a", [LabelledDocument("1", "at 8", {"time": None})])
    with pytest.raises(InvalidRequest, match="cannot be called"):
        draft_task("A B", documents())
    with pytest.raises(InvalidRequest, match="no document labels 'sum'"):
        draft_task("a", documents(), ["sum"])
    with pytest.raises(InvalidRequest, match="FIELD=TYPE"):
        parse_types(["total=cash"])


def test_the_command_writes_once(tmp_path):
    (tmp_path / "rules").mkdir()
    data = tmp_path / "d.jsonl"
    data.write_text("\n".join(map(json.dumps, LINES)), "utf-8")
    command = ["--home", str(tmp_path), "task", "new", "bills", "--data", str(data)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    path = tmp_path / "rules" / "bills" / "task.yaml"
    path.write_text("edited", "utf-8")
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "error[already-there]" in result.output
    assert path.read_text("utf-8") == "edited"
    assert CliRunner().invoke(main, [*command, "--force", "--type", "total=number"]).exit_code == 0
    assert load_task(path).fields["total"].type == "number"
