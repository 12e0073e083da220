"""``cascade data check``: each thing that can be wrong with data has a finding that says what to do."""

import json
import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.main import main
from gateway.evaluation.dataset import LabelledDocument, text_digest
from gateway.evaluation.split import Split
from gateway.task import FieldSpec, TaskSpec
from gateway.values import VALUE_TYPES, ValueOptions
from training.data.check import CODES, check_documents, check_file, duplicate_groups, near_duplicates, suggest_type
from training.data.check.duplicates import LEAST_LIKENESS, likeness, shingles
from training.data.check.lengths import estimate_tokens

NAMES = ("Anna", "Bob", "Yew", "Carla")


def documents(count=60, **labels):
    return [
        LabelledDocument(
            str(n), f"{NAMES[n % 4]} comes on {n % 28 + 1} May 2026, number {n}", {"name": NAMES[n % 4], **labels}
        )
        for n in range(count)
    ]


def codes(report, field=...):
    return {item.code for item in report.findings if field is ... or item.field == field}


def only(report, code):
    [found] = [item for item in report.findings if item.code == code]
    return found


def test_good_data_has_nothing_to_put_right():
    found = [*documents(), LabelledDocument("x", "nobody comes", {"name": None})]
    report = check_documents(found)
    assert {item.severity for item in report.findings} <= {"note"}
    assert report.fields["name"].valued == 60
    assert report.lengths.characters[2] == max(len(item.text) for item in found)


# --- the file ---


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ('{"text": "a", ', "D001", "line 2: not JSON"),
        ('{"text": 3}', "D001", 'line 2: "text" must be a string'),
        ('{"id": "z", "text": "ab", "spans": {"f": [[1, 9]]}}', "D001", "line 2: span [1, 9]"),
        ('{"id": "a", "text": "twice"}', "D003", "line 2: 'a' stands on line 1"),
        ('{"id": "b", "text": "  "}', "D004", "line 2: b"),
        ('{"id": "b", "text": "caf\udce9"}', "D001", "line 2: not UTF-8"),
    ],
)
def test_bad_lines_are_all_named_with_their_number(tmp_path, line, code, says):
    path = tmp_path / "d.jsonl"
    content = '{"id": "a", "text": "Anna", "labels": {"f": "Anna"}}\n' + line + "\n" + line + "\n"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    found = only(check_file(path), code)
    assert found.count == 2 or code == "D004"
    assert says in found.examples[0]


def test_an_empty_file_and_one_without_labels(tmp_path):
    (tmp_path / "d.jsonl").touch()
    assert codes(check_file(tmp_path / "d.jsonl")) == {"D002"}
    assert {"D005", "D011"} <= codes(check_documents([LabelledDocument("1", "a b", {"f": None})]))


# --- size, script and fields ---


def test_few_documents_and_documents_in_another_script():
    few = [LabelledDocument(str(n), f"五月{n}日在北京", {"day": f"五月{n}日"}) for n in range(10)]
    report = check_documents(few)
    assert {"D010", "D017"} <= codes(report)
    assert "10 documents" in only(report, "D010").message
    long = check_documents([LabelledDocument("1", "word " * 30_000, {"f": "word"})], window=512)
    assert {"D015", "D016"} <= codes(long)


def test_fields_that_have_no_value_one_value_or_always_one():
    report = check_documents(documents(unseen=None, kind="x", date="May 2026"))
    assert "D011" in codes(report, "unseen")
    assert "D012" in codes(report, "kind")
    assert set(only(report, "D013").examples) >= {"name", "kind"}
    report = check_documents([LabelledDocument("1", "at 8", {"timeRange": "8", "tag": ["a"]})])
    assert "time_range would do" in only(report, "D014").message
    mixed = [LabelledDocument("1", "a b", {"tag": ["a", "b"]}), LabelledDocument("2", "a", {"tag": "a"})]
    assert "D046" in codes(check_documents(mixed), "tag")


def test_null_and_missing_labels():
    rare = documents(300, name2="x")
    rare[5] = LabelledDocument("r", "rare text", {"name": None, "name2": "x"})
    report = check_documents(rare)
    assert "null means unannotated" in next(item for item in report.findings if item.code == "D050").message
    half = [*documents(50), *[LabelledDocument(f"n{n}", f"nobody {n}", {"name": None}) for n in range(50)]]
    assert "null means absent" in only(check_documents(half), "D050").message
    missing = [LabelledDocument("1", "Anna", {"name": "Anna"}), LabelledDocument("2", "x", {})]
    assert check_documents(missing).closed_labels
    assert "absent, because nothing is ever null" in only(check_documents(missing), "D051").message


# --- labels ---


def test_values_that_are_not_in_the_text_or_not_covered_by_their_span():
    found = [
        LabelledDocument("1", "Anna came", {"name": "Carlotta Longname"}),
        LabelledDocument("2", "Anna came", {"name": "Anna"}, {"name": [(5, 9)]}),
        LabelledDocument("3", "Anna Bob came", {"name": "Anna"}, {"name": [(0, 4), (5, 8)]}),
    ]
    report = check_documents(found)
    assert only(report, "D040").examples == ("1: 'Carlotta Longname'",)
    assert "the spans hold 'came'" in only(report, "D041").examples[0]
    assert "2 spans, 1 values" in only(report, "D042").examples[0]


TASK = TaskSpec("t", {"when": FieldSpec("when", "date"), "who": FieldSpec("who", "text")})


def test_a_task_s_types_are_held_against_the_labels():
    found = [
        LabelledDocument("1", "on 1 May 2026 by two", {"when": "2 May 2026", "extra": "x"}),
        LabelledDocument("2", "soon", {"when": "soon"}),
        LabelledDocument("3", "1 May 2026 2 May 2026", {"when": ["1 May 2026", "2 May 2026"]}),
    ]
    report = check_documents(found, task=TASK)
    assert "the text has only '2026-05-01'" in only(report, "D045").examples[0]
    assert only(report, "D043").examples == ("2: 'soon'",)
    assert only(report, "D044").examples == ("3: 2 values",)
    assert only(report, "D060").field == "who"
    assert only(report, "D061").examples == ("extra",)


def test_the_same_text_with_different_labels_unless_context_settles_it():
    def six(identifier, context, **labels):
        return LabelledDocument(identifier, "6", labels, {}, {"context": context} if context else {})

    people, time = {"people": "6", "time": None}, {"people": None, "time": "6"}
    settled = check_documents([six("1", ["people"], **people), six("2", ["time"], **time)])
    assert {"D023", "D020"} <= codes(settled)
    assert "D022" not in codes(settled)
    doubtful = check_documents([six("1", None, **people), six("2", None, **time)])
    assert "D022" in codes(doubtful)
    assert "D023" not in codes(doubtful)


# --- duplicates and parts ---

LONG = "the quick brown fox jumps over the lazy dog while seven other animals of the forest look on in silence"


def test_leakage_between_parts():
    found = [
        LabelledDocument("a", LONG, {"f": "fox"}),
        LabelledDocument("b", LONG, {"f": "fox"}),
        LabelledDocument("c", LONG + " again", {"f": "fox"}),
        LabelledDocument("d", "changed since", {"f": "x"}),
        LabelledDocument("e", "in no part", {"f": "x"}),
    ]
    parts = {
        "train": {"a": text_digest(LONG), "gone": "0"},
        "calibration": {"b": text_digest(LONG), "c": text_digest(found[2].text), "d": "0"},
    }
    report = check_documents(found, split=Split("t", 1, parts, {}, {}))
    assert only(report, "D030").examples == ("b (calibration) is a copy of a (train)",)
    assert only(report, "D031").examples[0].startswith("a (train) and c (calibration): 0.9")
    assert {item.examples for item in report.findings if item.code == "D032"} == {
        ("d (calibration)",),
        ("gone (train)",),
    }
    assert only(report, "D033").examples == ("e",)
    assert {"D020", "D021"} <= codes(report)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]), max_size=60)


@given(st.lists(WORDS, max_size=8))
def test_near_duplicates_are_pairs_of_different_texts_as_alike_as_said(lists):
    texts = [" ".join(words) for words in lists]
    pairs = near_duplicates(texts)
    for one, other, score in pairs:
        assert one < other
        assert texts[one] != texts[other]
        assert score == likeness(shingles(texts[one]), shingles(texts[other])) >= LEAST_LIKENESS
    groups = duplicate_groups(texts)
    assert all(groups[one] == groups[other] for one, other, _ in pairs)
    assert all(
        groups[one] == groups[other] for one in range(len(texts)) for other in range(one) if texts[one] == texts[other]
    )


@given(st.permutations([f"w{n}" for n in range(120)]), st.integers(0, 119))
def test_one_changed_word_of_many_is_nearly_always_found(words, place):
    changed = [*words[:place], "other", *words[place + 1 :]]
    assert near_duplicates([" ".join(words), " ".join(changed)])


# --- types ---


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["25/12/2018", "1 May 2026", "2020-01-31", "5.6.19", "fifth day of March, 2015"], "date"),
        (["RM 9.00", "$8.20", "12.00", "1,200.50", "7.10"], "money"),
        (["2013", "2014", "five", "7", "1990"], "number"),
        (["00123", "00124", "00888", "01234", "04567"], "text"),
        (["18:40", "7 pm", "noon", "6.40 pm", "half past three"], "time"),
        (["a@b.com", "c@d.org", "e@f.net", "g@h.com", "i@j.org"], "email"),
        (["12.5%", "3 %", "40 percent", "1%", "99%"], "percent"),
        (["5 people", "6 people", "7", "8", "2 of us"], "text"),
        (["1", "2"], "text"),
    ],
)
def test_types_are_told_from_values(values, kind):
    assert suggest_type(values).type == kind


def test_a_type_that_most_values_have_is_named_but_not_taken():
    evidence = suggest_type(["1 May 2026", "2 May 2026", "3 May 2026", "4 May 2026", "soon", "later"])
    assert (evidence.type, evidence.nearly, set(evidence.exceptions)) == ("text", ("date", 4), {"soon", "later"})


@given(st.lists(st.text(max_size=20), max_size=12))
def test_any_values_get_a_type_that_their_readings_support(values):
    evidence = suggest_type(values, ValueOptions())
    assert evidence.type in VALUE_TYPES
    assert evidence.reading <= evidence.values == len(set(values))


@given(st.text(max_size=200), st.text(max_size=200))
def test_tokens_of_two_texts_are_those_of_each(left, right):
    assert estimate_tokens(f"{left} {right}") == estimate_tokens(left) + estimate_tokens(right)


# --- the command and its page ---


def test_the_command_s_exit_codes_and_json(tmp_path):
    path = tmp_path / "d.jsonl"
    good = [{"id": item.id, "text": item.text, "labels": dict(item.labels)} for item in documents()]
    good.append({"id": "none", "text": "nobody", "labels": {"name": None}})
    path.write_text("\n".join(map(json.dumps, good)), "utf-8")
    runner = CliRunner()
    result = runner.invoke(main, ["data", "check", str(path), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["fields"]["name"]["suggested"]["type"] == "text"
    path.write_text(path.read_text("utf-8") + "\n{", "utf-8")
    result = runner.invoke(main, ["data", "check", str(path)])
    assert (result.exit_code, "D001 error" in result.output) == (1, True)
    assert runner.invoke(main, ["data", "check", str(tmp_path / "none")]).exit_code == 2
    few = tmp_path / "few.jsonl"
    few.write_text(json.dumps(good[0]), "utf-8")
    assert runner.invoke(main, ["data", "check", str(few)]).exit_code == 0
    assert runner.invoke(main, ["data", "check", str(few), "--strict"]).exit_code == 1


def test_the_documentation_lists_every_code_with_its_severity(project_root):
    page = (project_root / "docs" / "data.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `(D\d{3})` \| (error|warning|note) \|", page, re.MULTILINE))
    assert documented == {code: item.severity for code, item in CODES.items()}
