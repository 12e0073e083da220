import json
import signal
import subprocess
import sys

import pytest


def answers(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def codes(result):
    return [answer.get("error", {}).get("code") for answer in answers(result)]


def test_text_files_are_one_document_each_called_by_their_names(cascade, tmp_path):
    (tmp_path / "one.txt").write_text("TOTAL 9.00", "utf-8")
    (tmp_path / "two.txt").write_bytes(b"\xef\xbb\xbfTOTAL 7.00\r\nx")
    result = cascade("extract", "notes", tmp_path / "one.txt", tmp_path / "two.txt", "--json")
    assert result.exit_code == 0
    one, two = answers(result)
    assert one["id"] == str(tmp_path / "one.txt")
    assert one["fields"]["total"]["value"] == "9.00"
    # A byte order mark is no part of the text.
    assert two["fields"]["total"]["spans"] == [[6, 10]]


def test_json_lines_in_order_with_their_own_ids(cascade, json_lines):
    path = json_lines(
        {"id": "b", "text": "TOTAL 1.00"},
        b"",
        {"id": "a", "text": "TOTAL 2.00", "labels": 5},
        {"text": "TOTAL 3.00", "spans": "x"},
        {"id": "a", "text": "TOTAL 4.00"},
    )
    result = cascade("extract", "notes", path, "--json")
    assert result.exit_code == 0
    assert [answer["id"] for answer in answers(result)] == ["b", "a", f"{path}:4", "a"]
    assert [answer["fields"]["total"]["value"] for answer in answers(result)] == ["1.00", "2.00", "3.00", "4.00"]


@pytest.mark.parametrize("name", ["data.ndjson", "DATA.JSONL"])
def test_json_lines_are_known_by_their_name(cascade, json_lines, name):
    (answer,) = answers(cascade("extract", "notes", json_lines({"id": "a", "text": "x"}, name=name), "--json"))
    assert answer["id"] == "a"


@pytest.mark.parametrize("arguments", [("-",), ()])
def test_standard_input_is_one_text(cascade, arguments):
    (answer,) = answers(cascade("extract", "notes", *arguments, "--json", stdin="TOTAL 9.00\n{}"))
    assert answer["id"] == "stdin"
    assert answer["fields"]["total"]["value"] == "9.00"


def test_standard_input_as_json_lines(cascade):
    result = cascade("extract", "notes", "-", "--jsonl", "--json", stdin='{"id": "a", "text": "TOTAL 9.00"}\n\n{}\n')
    assert [answer["id"] for answer in answers(result)] == ["a", "stdin:3"]
    assert codes(result) == [None, "invalid-dataset"]


def test_a_bad_document_is_an_error_in_its_place_and_the_rest_is_answered(cascade, json_lines, tmp_path):
    path = json_lines(
        {"id": "a", "text": "TOTAL 1.00"},
        b"{nonsense",
        b"\xff\xfe",
        [1],
        {"id": "empty", "text": " \n"},
        {"id": "half", "text": "\ud800"},
        {"id": "\ud800", "text": "x"},
        {"id": "context", "text": "x", "context": 1},
        b"[" * 100_000,
        b'{"text": "x", "n": ' + b"1" * 5000 + b"}",
        {"id": "z", "text": "TOTAL 2.00"},
    )
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "empty.txt").touch()
    names = [path, tmp_path / "latin.txt", tmp_path / "none.txt", tmp_path, tmp_path / "empty.txt"]
    result = cascade("extract", "notes", *names, "--json")
    assert result.exit_code == 1
    assert codes(result) == [
        None,
        "invalid-json",
        "bad-request",
        "invalid-dataset",
        "empty-text",
        "invalid-request",
        "invalid-request",
        "invalid-dataset",
        "invalid-json",
        "invalid-json",
        None,
        "bad-request",
        "bad-request",
        "bad-request",
        "empty-text",
    ]
    given = answers(result)
    assert given[1]["id"] == f"{path}:2"
    assert f"{path}:2: not JSON" in given[1]["error"]["message"]
    assert "not UTF-8" in given[2]["error"]["message"]
    assert [answer["id"] for answer in given[4:6]] == ["empty", "half"]
    assert "No such file" in given[12]["error"]["message"]


def test_a_document_that_breaks_a_model_is_answered_without_it(cascade, models, policy, json_lines):
    models()
    path = json_lines({"id": "a", "text": "BREAK student pen"}, {"id": "b", "text": "pen"})
    first, second = answers(cascade("extract", "notes", path, "--json"))
    assert first["fields"]["item"]["tier"] == "large"
    assert "student" in first["unavailable"]
    assert second["fields"]["item"]["tier"] == "student"


def test_answers_are_those_of_the_service(cascade, models, policy, json_lines):
    models()
    (answer,) = answers(cascade("extract", "notes", json_lines({"id": "a", "text": "TOTAL 9.00 pen"}), "--json"))
    assert answer["status"] == "complete"
    assert answer["tiers"] == ["rules", "student"]
    assert answer["escalated"] == {"item": "student"}
    total = answer["fields"]["total"]
    assert (total["state"], total["tier"], total["source"], total["guarantee"]) == (
        "accepted",
        "rules",
        "total/after-label",
        0.9,
    )
    assert answer["fields"]["item"]["items"][0]["value"] == "pen"
    assert answer["cost"]["currency"] == "EUR"
    assert {"id", "task", "timing_ms", "versions"} <= set(answer)


@pytest.mark.parametrize(
    ("tiers", "asked"),
    [
        ("rules", ["rules"]),
        ("large", ["large"]),
        ("student,rules", ["rules", "student"]),
        (" rules , large ", ["rules", "large"]),
    ],
)
def test_tiers_that_take_part(cascade, models, policy, json_lines, tiers, asked):
    models(student=(), large=("pen",))
    (answer,) = answers(
        cascade("extract", "notes", json_lines({"id": "a", "text": "TOTAL 9 pen"}), "--tiers", tiers, "--json")
    )
    assert answer["tiers"] == asked
    if asked == ["large"]:
        assert answer["fields"]["item"]["state"] == "accepted"
        assert answer["fields"]["item"]["guarantee"] is None


def test_quality_reaches_the_cascade(cascade, models, policy, json_lines):
    models()
    path = json_lines({"id": "a", "text": "TOTAL 9.00 pen"})
    (lenient,) = answers(cascade("extract", "notes", path, "--json", "--quality", "0.8"))
    (strict,) = answers(cascade("extract", "notes", path, "--json", "--quality", "0.99"))
    assert (lenient["status"], strict["status"]) == ("complete", "review")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "-"], "unknown-task"),
        (["../notes", "-"], "unknown-task"),
        (["notes", "-", "--tiers", "rules,oracle"], "unknown-tier"),
        (["notes", "-", "--tiers", ","], "unknown-tier"),
        (["notes", "-", "--quality", "1"], "--quality"),
        (["notes", "-", "--quality", "0.2"], "--quality"),
        (["notes", "-", "--quality", "nan"], "--quality"),
        ([], "TASK"),
    ],
)
def test_wrong_use(cascade, arguments, said):
    result = cascade("extract", *arguments, stdin="x")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_missing_tier_is_said_and_the_others_answer(cascade, tmp_path):
    (tmp_path / "one.txt").write_text("TOTAL 9.00", "utf-8")
    result = cascade("extract", "notes", tmp_path / "one.txt", "--json")
    assert result.exit_code == 0
    assert "note: answering without large:" in result.stderr
    (answer,) = answers(result)
    assert answer["status"] == "degraded"
    assert set(answer["unavailable"]) == {"student", "large"}


def test_a_missing_tier_asked_for_alone_is_an_error(cascade):
    result = cascade("extract", "notes", "-", "--tiers", "large", stdin="x")
    assert result.exit_code == 1
    assert "error[tier-unavailable]: large:" in result.stderr


def test_the_table_is_for_reading(cascade, models, policy, json_lines):
    models(student=("pen\x1b[31m",))
    path = json_lines({"id": "a", "text": "TOTAL 9.00 pen\x1b[31m"}, b"{", {"id": "b", "text": "nothing"})
    result = cascade("extract", "notes", path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("a: complete, rules+student, ")
    assert lines[1].split() == ["field", "state", "confidence", "tier", "value"]
    assert lines[2].split() == ["total", "accepted", "0.950", "rules", "9.00"]
    # What would steer the terminal does not reach it.
    assert "\x1b" not in result.stdout
    assert "pen\N{REPLACEMENT CHARACTER}[31m" in lines[3]
    assert "b: review, rules+student+large" in result.stdout
    assert f"{path}:2: error[invalid-json]" in result.stderr


def test_output_is_utf_8_in_any_locale(home, tmp_path):
    (tmp_path / "one.txt").write_text("TOTAL 9.00 é", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--home", str(home), "extract", "notes", "-", "--json", "--jsonl"],
        input=json.dumps({"id": "ключ", "text": "x"}).encode(),
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["id"] == "ключ"


def test_results_come_as_lines_are_read_and_ctrl_c_keeps_them(home):
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "--home", str(home), "extract", "notes", "-", "--json", "--jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A suite that runs in the background of a shell would hand on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        for name in ("a", "b"):
            process.stdin.write(json.dumps({"id": name, "text": "TOTAL 9.00"}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == name
        # It waits for more; the input is not at its end.
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stdout.read() == b""
        assert b"Traceback" not in process.stderr.read()
