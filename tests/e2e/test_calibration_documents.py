"""From answers to a better certificate: documents drawn while serving, labelled by a person, calibrated on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.policy import Policy

TASK = "task: notes\nquality: 0.6\ntiers: [rules]\nfields:\n  total: {type: money}\n  item: {type: text}\n"
RULES = {
    "total": "{id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}",
    "item": "{id: after-item, kind: anchor, label: 'ITEM', value: '[A-Z]+', precision: 0.95}",
}
ITEMS = ("TEA", "RICE", "MILK", "BREAD", "SALT")


def note(number: int) -> dict[str, Any]:
    """A document that rules read wrong in one of four cases."""
    item, label = ITEMS[number % 5], "TOTAL" if number % 4 else "SUM"
    text = f"NOTE {number}\nITEM {item}\n{label} {number}.00\nTOTAL 0.00"
    return {"id": f"note/{number}", "text": text, "labels": {"total": f"{number}.00", "item": item}}


def write(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(document) + "\n" for document in documents), "utf-8")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    rules = tmp_path / "home" / "rules" / "notes"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    for name, rule in RULES.items():
        (rules / f"{name}.yaml").write_text(f"field: {name}\nrules:\n  - {rule}\n")
    (tmp_path / "home" / "models").mkdir()
    return Home(tmp_path / "home")


def cascade(home: Home, *words: object) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.path), *map(str, words)])


def documents_of(home: Home) -> int:
    policy = Policy.load(home.models / "notes" / "policy.json")
    [documents] = {one.documents for found in policy.thresholds["rules"].values() for one in found.values()}
    return documents


def test_answered_documents_that_a_person_labelled_are_calibrated_on(
    start: Callable[..., Any], home: Home, eventually: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    data = write(tmp_path / "notes.jsonl", [note(number) for number in range(80)])
    first = cascade(home, "calibrate", "notes", "--data", data, "--target", "0.6")
    assert first.exit_code == 0, first.output
    before = documents_of(home)
    path = home.models / "notes" / "split.json"
    known = Split.load(path)
    learned = next(iter(known.parts["train"]))

    monkeypatch.setenv("CASCADE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CASCADE_CALIBRATION_SHARE", "1")
    monkeypatch.setenv("CASCADE_AUDIT_KEEP_TEXT", "true")
    service = start(home)
    served = {f"n-{number}": note(number) for number in range(100, 108)}
    served["n-known"] = note(int(learned.rpartition("/")[2]))  # traffic that rules were written on certifies nothing
    for identifier, document in served.items():
        answer = service.extract(task="notes", text=document["text"], id=identifier, fields=["total"])
        assert answer.status_code == 200

    def questions() -> list[dict[str, Any]]:
        return [json.loads(line) for line in cascade(home, "audit", "open", "notes", "--json").output.splitlines()]

    eventually(lambda: len(questions()) == 2 * len(served))
    with service.client() as client:
        for question in questions():
            if (question["id"], question["field"]) == ("n-107", "item"):
                continue  # left open: the document is not whole
            value = served[question["id"]]["labels"][question["field"]]
            body = {name: question[name] for name in ("task", "request_id", "id", "field")}
            assert client.post("/v1/feedback", json={**body, "value": value}).json()["audit"] is True
    assert service.stop() == 0

    out, rest = tmp_path / "drawn.jsonl", tmp_path / "rest.jsonl"
    exported = cascade(home, "audit", "export", "notes", out, "--for", "calibration", "--json")
    assert json.loads(exported.output)["documents"] == 8
    assert json.loads(exported.output)["left_open"] == 1
    assert json.loads(cascade(home, "audit", "export", "notes", rest, "--json").output)["documents"] == 0

    ignored = cascade(home, "calibrate", "notes", "--data", data, "--data", out, "--target", "0.6")
    assert "8 documents are in no part of split.json and are not used" in ignored.output
    assert documents_of(home) == before

    appended = cascade(home, "audit", "append", "notes", out, "--json")
    assert json.loads(appended.output) == {
        **{"appended": 7, "known": 0, "elsewhere": 1, "part": "calibration"},
        "documents": before + 7,
    }
    again = json.loads(cascade(home, "audit", "append", "notes", out, "--json").output)
    assert (again["appended"], again["known"]) == (0, 7)
    after = Split.load(path)
    assert {name: after.parts[name] for name in known.parts if name != "calibration"} == {
        name: found for name, found in known.parts.items() if name != "calibration"
    }
    assert after.about["appended"][0]["documents"] == 7

    done = cascade(home, "calibrate", "notes", "--data", data, "--data", out, "--target", "0.6")
    assert done.exit_code == 0, done.output
    assert documents_of(home) == before + 7
    less = cascade(home, "calibrate", "notes", "--data", data, "--target", "0.6")
    assert "7 documents of calibration are not in the data" in less.output


def test_what_was_not_drawn_for_calibration_is_not_appended(home: Home, tmp_path: Path) -> None:
    data = write(tmp_path / "notes.jsonl", [note(number) for number in range(80)])
    assert cascade(home, "calibrate", "notes", "--data", data, "--target", "0.6").exit_code == 0
    path = home.models / "notes" / "split.json"
    before = path.read_bytes()
    drawn = {**note(200), "sampled_for": "calibration"}
    for wrong, words in (
        (note(200), "were not drawn for calibration"),
        ({**drawn, "sampled_for": "training"}, "were not drawn for calibration"),
        ({**drawn, "labels": {"total": "200.00"}}, "not every field of them was judged"),
        ({**drawn, "id": "note/1"}, "stands for another text"),
    ):
        refused = cascade(home, "audit", "append", "notes", write(tmp_path / "new.jsonl", [wrong]))
        assert refused.exit_code == 2, refused.output
        assert words in refused.output
    file = write(tmp_path / "new.jsonl", [drawn])
    assert "not to" in cascade(home, "audit", "append", "notes", file, "--part", "train").output
    assert path.read_bytes() == before
    assert cascade(home, "audit", "append", "notes", file, "--part", "calibration-later").exit_code == 0
    assert list(Split.load(path).parts["calibration-later"]) == ["note/200"]
