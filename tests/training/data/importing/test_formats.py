"""Every format, from files as people have them to the project's JSON Lines."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import DatasetEncodingError, DatasetError, InvalidRequest
from gateway.evaluation.dataset import read_dataset
from training.data.importing import FORMATS, ImportOptions, import_data
from training.data.importing.detokenising import detokenise
from training.data.importing.tags import Chunk, to_tags

LABELLED = "Book for Anna on 5 May"


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "utf-8")
    return path


def imported(name, source, tmp_path, **options):
    report = import_data(name, source, tmp_path / "out.jsonl", ImportOptions(**options))
    documents = read_dataset(tmp_path / "out.jsonl")
    assert len(documents) == report.documents
    for document in documents:
        for field, spans in document.spans.items():
            values = document.labels[field]
            assert [document.text[start:end] for start, end in spans] == (
                values if isinstance(values, list) else [] if values is None else [values]
            )
    return report, documents


# --- CoNLL ---

CONLL = """-DOCSTART- -X- O

# a comment
Book VB O
for IN O
Anna NNP I-PER
, , O
Bob NNP I-PER
Li NNP I-PER

at IN O
8 CD B-Time

-DOCSTART- -X- O

Hi UH O
"""


def test_conll_sentences_become_documents_with_what_is_not_tagged_absent(tmp_path):
    report, documents = imported("conll", write(tmp_path / "a.conll", CONLL), tmp_path)
    assert [document.text for document in documents] == ["Book for Anna, Bob Li", "at 8", "Hi"]
    assert documents[0].labels == {"per": ["Anna", "Bob Li"], "time": None}
    assert documents[2].labels == {"per": [], "time": None}
    assert report.fields["per"].source == "PER"
    assert report.fields["per"].many
    assert (report.fields["time"].documents, report.fields["time"].absent) == (1, 2)


def test_conll_documents_keep_their_sentences_on_lines(tmp_path):
    _, documents = imported("conll", write(tmp_path / "a.conll", CONLL), tmp_path, unit="document")
    assert [document.text for document in documents] == ["Book for Anna, Bob Li\nat 8", "Hi"]
    assert documents[0].spans["time"] == [(25, 26)]


def test_conll_with_tabs_and_chosen_columns(tmp_path):
    source = write(tmp_path / "a.tsv", "B-name\tNew York\nO\tis\n")
    _, documents = imported("conll", source, tmp_path, token_column=1, tag_column=0)
    assert (documents[0].text, documents[0].labels) == ("New York is", {"name": "New York"})


@pytest.mark.parametrize(
    ("content", "options", "line", "says"),
    [
        ("a O\nb\n", {}, 2, "expected 2 columns"),
        ("a O\nb X O\n", {}, 2, "found 3"),
        ("a O\n\nb Z-x\n", {}, 3, "no tag"),
        ("a O\nb I-x\n", {"scheme": "iob2"}, 2, "has not begun"),
    ],
)
def test_conll_errors_name_the_line(tmp_path, content, options, line, says):
    source = write(tmp_path / "a.conll", content)
    with pytest.raises(DatasetError, match=says) as error:
        imported("conll", source, tmp_path, **options)
    assert error.value.message.startswith(f"{source}:{line}: ")
    assert not (tmp_path / "out.jsonl").exists()


words = st.text("abcé中,.'(", min_size=1, max_size=6).filter(lambda word: not word.startswith("#"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.data(), st.lists(words, min_size=1, max_size=12), st.sampled_from(["iob1", "iob2", "bilou", "bioes"]))
def test_random_tags_come_out_as_the_spans_of_their_tokens(tmp_path, data, tokens, scheme):
    edges = sorted(data.draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
    names = [data.draw(st.sampled_from(["date", "name"])) for _ in edges[::2]]
    chunks = [Chunk(name, start, end) for name, start, end in zip(names, edges[::2], edges[1::2], strict=False)]
    tags = to_tags(chunks, len(tokens), scheme)
    rows = "".join(f"{token}\t{tag}\n" for token, tag in zip(tokens, tags, strict=True))
    [last] = to_tags([Chunk("last", 0, 1)], 1, scheme)
    source = write(tmp_path / "a.conll", f"{rows}\nend\t{last}\n")
    _, (document, _) = imported("conll", source, tmp_path, scheme=scheme)
    text, spans = detokenise(tokens)
    expected = {}
    for name, start, end in chunks:
        expected.setdefault(name, []).append((spans[start][0], spans[end - 1][1]))
    assert document.text == text
    assert dict(document.spans) == expected


# --- spaCy ---

ENTITIES = {"entities": [[9, 13, "name"], [17, 22, "date"]]}
PARAGRAPH = {
    "raw": LABELLED,
    "sentences": [
        {
            "tokens": [
                {"orth": word, "ner": tag}
                for word, tag in zip(LABELLED.split(), ["O", "O", "U-name", "O", "B-date", "L-date"], strict=True)
            ]
        }
    ],
}


@pytest.mark.parametrize(
    "value",
    [
        [[LABELLED, ENTITIES]],
        {"classes": ["name", "date"], "annotations": [[LABELLED, ENTITIES]]},
        [
            {
                "text": LABELLED,
                "ents": [{"start": 9, "end": 13, "label": "name"}, {"start": 17, "end": 22, "label": "date"}],
            }
        ],
        [
            {
                "text": LABELLED,
                "spans": {"sc": [{"start": 9, "end": 13, "label": "name"}, {"start": 17, "end": 22, "label": "date"}]},
            }
        ],
        [{"id": 0, "paragraphs": [PARAGRAPH]}],
        [{"id": 0, "paragraphs": [{**PARAGRAPH, "raw": None}]}],
    ],
    ids=["pair", "annotator", "document", "groups", "corpus", "corpus without raw"],
)
def test_spacy_s_forms_say_the_same(tmp_path, value):
    _, [document] = imported("spacy", write(tmp_path / "a.json", value), tmp_path)
    assert document.text == LABELLED
    assert document.labels == {"name": "Anna", "date": "5 May"}
    assert document.spans == {"name": [(9, 13)], "date": [(17, 22)]}


def test_spacy_leaves_out_what_nobody_accepted_and_says_so(tmp_path):
    lines = [
        {"text": LABELLED, "spans": [{"start": 9, "end": 13, "label": "name"}], "answer": "accept"},
        {"text": LABELLED, "spans": [], "answer": "reject"},
        {"text": "plain"},
        {"text": LABELLED, "spans": [{"start": 9, "end": 99, "label": "name"}]},
        {"text": " ", "spans": []},
    ]
    source = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    report, documents = imported("spacy", source, tmp_path)
    assert len(documents) == 1
    assert [(item.code, item.where) for item in report.skipped] == [
        ("no-labels", f"{source}:2"),
        ("no-labels", f"{source}:3"),
        ("bad-span", f"{source}:4"),
        ("no-text", f"{source}:5"),
    ]
    assert "left out, no-labels: 2 documents" in report.render()


# --- Label Studio ---


def task(text, *regions, **more):
    result = [
        {
            "type": "labels",
            "from_name": "label",
            "to_name": "text",
            "value": {"start": s, "end": e, "text": t, "labels": [n]},
        }
        for s, e, t, n in regions
    ]
    return {"id": 7, "data": {"text": text}, "annotations": [{"result": result}], **more}


def test_label_studio_tasks(tmp_path):
    choice = {"type": "choices", "value": {"choices": ["spam"]}}
    first = task(LABELLED, (9, 13, "Anna", "Name"), (16, 22, " 5 May", "Date"))
    first["annotations"][0]["result"].append(choice)
    second = {**task("no"), "id": 8, "annotations": [{"result": [], "was_cancelled": True}]}
    third = {**task("Bob", (0, 3, "Rob", "Name")), "id": 9}
    report, [document] = imported("label-studio", write(tmp_path / "a.json", [first, second, third]), tmp_path)
    assert document.id == "7"
    assert document.labels == {"name": "Anna", "date": "5 May"}
    assert [item.code for item in report.skipped] == ["no-labels", "bad-span"]
    assert report.notes == {"spans without the white space at their ends": 1}


def test_label_studio_counts_utf_16_units_where_its_editor_did(tmp_path):
    editor = task("😀 Anna", (3, 7, "Anna", "name"))
    python = {**task("😀 Anna", (2, 6, "Anna", "name")), "id": 8}
    _, documents = imported("label-studio", write(tmp_path / "a.json", [editor, python]), tmp_path)
    assert [document.spans["name"] for document in documents] == [[(2, 6)], [(2, 6)]]


def test_label_studio_min_export(tmp_path):
    value = [{"id": 1, "text": LABELLED, "label": [{"start": 9, "end": 13, "text": "Anna", "labels": ["name"]}]}]
    _, [document] = imported("label-studio", write(tmp_path / "a.json", value), tmp_path)
    assert document.labels == {"name": "Anna"}


# --- tables ---


def test_csv_columns_become_fields(tmp_path):
    source = write(tmp_path / "a.csv", 'text,Date,tags\n"Anna, 5 May",5 May,a;b\nnothing,,\n')
    report, documents = imported("csv", source, tmp_path, separator=";")
    assert documents[0].labels == {"date": "5 May", "tags": ["a", "b"]}
    assert documents[1].labels == {"date": None, "tags": None}
    assert report.fields["date"].absent == 1
    _, documents = imported("csv", source, tmp_path, separator=";", empty="unannotated", fields=("date",))
    assert documents[1].labels == {}


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("body,date\na,b\n", 1, "--text-column"),
        ("text,date\na,b\na,b,c\n", 3, "3 cells"),
        ("text,date,date\n", 1, "stands twice"),
        ('text,date\n"a,b\n', 2, "not CSV"),
    ],
)
def test_csv_errors_name_the_line(tmp_path, content, line, says):
    source = write(tmp_path / "a.csv", content)
    with pytest.raises(DatasetError, match=says) as error:
        imported("csv", source, tmp_path)
    assert error.value.message.startswith(f"{source}:{line}: ")


# --- offsets ---


def test_presidio_and_doccano_say_the_same(tmp_path):
    spans = [
        {"entity_type": "PERSON", "entity_value": "Anna", "start_position": 9, "end_position": 13},
        {"entity_type": "DATE_TIME", "entity_value": "5 May", "start_position": 17, "end_position": 22},
    ]
    presidio = [{"full_text": LABELLED, "masked": "…", "spans": spans, "template_id": 3}]
    doccano = {"id": 4, "text": LABELLED, "label": [[9, 13, "PERSON"], [17, 22, "DATE_TIME"]]}
    _, [left] = imported("offsets", write(tmp_path / "a.json", presidio), tmp_path)
    _, [right] = imported("offsets", write(tmp_path / "a.jsonl", json.dumps(doccano)), tmp_path)
    assert left.labels == right.labels == {"person": "Anna", "date_time": "5 May"}
    assert right.id == "4"


def test_offsets_that_hold_something_else_are_left_out(tmp_path):
    good = {
        "full_text": "Anna",
        "spans": [{"entity_type": "P", "entity_value": "Anna", "start_position": 0, "end_position": 4}],
    }
    wrong = {
        "full_text": "Bob",
        "spans": [{"entity_type": "P", "entity_value": "Bobo", "start_position": 0, "end_position": 3}],
    }
    report, documents = imported("offsets", write(tmp_path / "a.json", [good, wrong]), tmp_path)
    assert len(documents) == 1
    [skipped] = report.skipped
    assert (skipped.code, skipped.where) == ("bad-span", f"{tmp_path / 'a.json'}, record 2")


# --- SROIE ---


def receipt(folder, stem, lines, values):
    for part in ("img", "box", "key"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if lines is not None:
        (folder / "box" / f"{stem}.txt").write_text("\n".join(lines), "utf-8")
    if values is not None:
        (folder / "key" / f"{stem}.txt").write_text(json.dumps(values), "utf-8")


def test_sroie_folders(tmp_path):
    folder = tmp_path / "sroie"
    receipt(
        folder,
        "X1",
        ["1,2,9,2,9,5,1,5,SHOP, LTD", "", "1,6,9,6,9,9,1,9,TOTAL 9.00"],
        {"company": "SHOP, LTD", "total": ""},
    )
    receipt(folder, "X1(1)", ["1,2,9,2,9,5,1,5,SHOP, LTD"], None)
    receipt(folder, "X2", ["1,2,9,2,9,5,1,5,SHOP"], None)
    receipt(folder, "X3", None, {"company": "SHOP"})
    report, [document] = imported("sroie", folder, tmp_path)
    assert (document.id, document.text) == ("X1", "SHOP, LTD\nTOTAL 9.00")
    assert document.labels == {"company": "SHOP, LTD", "total": None}
    assert document.extra["lines"][0] == {"text": "SHOP, LTD", "box": [1, 2, 9, 5]}
    assert [item.code for item in report.skipped] == ["no-key", "no-box"]


def test_sroie_errors_name_file_and_line(tmp_path):
    receipt(tmp_path / "sroie", "X1", ["1,2,9,2,9,5,1,5,SHOP", "1,2,three"], {"company": "SHOP"})
    with pytest.raises(DatasetError, match=r"X1\.txt:2: expected eight coordinates"):
        imported("sroie", tmp_path / "sroie", tmp_path)
    with pytest.raises(DatasetError, match="no folder box/"):
        imported("sroie", tmp_path, tmp_path)


# --- the project's own form ---


def test_json_lines_are_checked_and_renamed(tmp_path):
    line = {"id": "a", "text": "at 8", "labels": {"timeRange": ["8"]}, "spans": {"timeRange": [[3, 4]]}, "intent": "x"}
    bare = {"id": "b", "text": "at 9", "labels": {"timeRange": None}}
    source = write(tmp_path / "a.jsonl", f"{json.dumps(line)}\n\n{json.dumps(bare)}\n")
    _, documents = imported("jsonl", source, tmp_path)
    assert documents[0].labels == {"time_range": "8"}
    assert documents[0].extra == {"intent": "x"}
    assert documents[1].labels == {"time_range": None}
    _, documents = imported("jsonl", source, tmp_path, rename={"timeRange": "when"})
    assert documents[0].spans == {"when": [(3, 4)]}


# --- what is common to all ---


def test_names_that_are_none_or_collide_say_what_to_pass(tmp_path):
    for names, says in ((["日期"], "--rename '日期'=NAME"), (["Date", "DATE"], "--rename 'DATE'=NAME")):
        record = {"text": "ab", "spans": [[number, number + 1, name] for number, name in enumerate(names)]}
        with pytest.raises(DatasetError, match=says):
            imported("offsets", write(tmp_path / "a.json", [record]), tmp_path)
    _, [document] = imported(
        "offsets",
        write(tmp_path / "a.json", [{"text": "五月", "spans": [[0, 2, "日期"]]}]),
        tmp_path,
        rename={"日期": "date"},
    )
    assert document.labels == {"date": "五月"}


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        ("text,name\né,a\n".encode("utf-16"), "--encoding utf-16,", 1),
        ("text,name\né,a\n".encode("utf-16-le"), "--encoding utf-16-le", 1),
        ("text,name\nok,b\ncafé,a\n".encode("latin-1"), "--encoding windows-1252", 3),
    ],
)
def test_other_encodings_are_refused_with_the_option_to_pass(tmp_path, content, says, line):
    source = tmp_path / "a.csv"
    source.write_bytes(content)
    with pytest.raises(DatasetEncodingError, match=says) as error:
        imported("csv", source, tmp_path)
    assert error.value.message.startswith(f"{source}:{line}: ")
    encoding = says.removeprefix("--encoding ").rstrip(",")
    _, documents = imported("csv", source, tmp_path, encoding=encoding)
    assert "é" in documents[-1].text


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    source = tmp_path / "a.csv"
    source.write_bytes("\ufefftext,name\r\nAnna here,Anna\r\n".encode())
    _, [document] = imported("csv", source, tmp_path)
    assert document.labels == {"name": "Anna"}


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"sroie"}))
def test_an_empty_file_and_one_that_is_not_there(tmp_path, name):
    (tmp_path / "empty").touch()
    with pytest.raises(DatasetError):
        imported(name, tmp_path / "empty", tmp_path)
    with pytest.raises(DatasetError, match="no such file"):
        imported(name, tmp_path / "none", tmp_path)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("name", ["spacy", "label-studio", "offsets", "jsonl"])
def test_wrong_json_names_the_line(tmp_path, name):
    good = json.dumps({"text": "a", "spans": {}, "labels": {"a": "a"}})
    source = write(tmp_path / "a.jsonl", f'{good}\n{{"text": "b", \n')
    with pytest.raises(DatasetError, match=r"a\.jsonl:2: not JSON"):
        imported(name, source, tmp_path)


def test_nothing_is_half_written_or_replaced_by_a_failed_import(tmp_path):
    (tmp_path / "out.jsonl").write_text("kept", "utf-8")
    records = [
        {"id": "a", "text": "Anna", "spans": [[0, 4, "name"]]},
        {"id": "a", "text": "Bob", "spans": [[0, 3, "name"]]},
    ]
    with pytest.raises(DatasetError, match=r"the id 'a' stands at .*record 1 already"):
        imported("offsets", write(tmp_path / "a.json", records), tmp_path)
    half = [{"id": "a", "text": "\ud83d Anna", "spans": [[2, 6, "name"]]}]
    with pytest.raises(DatasetError, match="surrogate"):
        imported("offsets", write(tmp_path / "a.json", json.dumps(half)), tmp_path)
    assert (tmp_path / "out.jsonl").read_text("utf-8") == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "out.jsonl"]


def test_a_source_without_any_annotation_says_so(tmp_path):
    with pytest.raises(DatasetError, match="no-labels 1"):
        imported(
            "label-studio", write(tmp_path / "a.json", [{"id": 1, "data": {"text": "a"}, "annotations": []}]), tmp_path
        )
    with pytest.raises(DatasetError, match="is it annotated"):
        imported("conll", write(tmp_path / "a.conll", "a O\nb O\n"), tmp_path)
    with pytest.raises(InvalidRequest, match="no format"):
        imported("xml", tmp_path, tmp_path)
