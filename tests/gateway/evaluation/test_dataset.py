import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DatasetError
from gateway.evaluation.dataset import file_digest, iterate_dataset, parse_document, read_dataset, text_digest


def write(path, *lines):
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_documents_in_order_with_all_that_is_known(tmp_path):
    path = write(
        tmp_path / "data.jsonl",
        {
            "id": "a",
            "text": "RM 9",
            "labels": {"total": "9", "item": ["x"], "date": None},
            "spans": {"total": [[3, 4]]},
        },
        b"",
        {"text": "no id", "locale": "en"},
    )
    first, second = read_dataset(path)
    assert (first.id, first.text, first.labels) == ("a", "RM 9", {"total": "9", "item": ["x"], "date": None})
    assert first.spans == {"total": [(3, 4)]}
    assert second.id == f"{path}:3"
    assert second.extra == {"locale": "en"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"text": "a", "id": "x", "n": ' + b"1" * 5000 + b"}", "cannot be read"),
        ([], "expected a JSON object"),
        ({"id": "a"}, '"text" must be a string'),
        ({"text": 5}, '"text" must be a string'),
        ({"id": 5, "text": ""}, '"id" must be a string'),
        ({"text": "a", "labels": []}, None),
        ({"text": "a", "labels": [1]}, '"labels" must be an object'),
        ({"text": "a", "labels": {"x": 1}}, 'label "x"'),
        ({"text": "a", "labels": {"x": [None]}}, 'label "x"'),
        ({"text": "a", "spans": [1]}, '"spans" must be an object'),
        ({"text": "a", "spans": {"x": 1}}, 'spans of "x"'),
        ({"text": "a", "spans": {"x": [[0, 2]]}}, "outside the text"),
        ({"text": "a", "spans": {"x": [[1, 1]]}}, "outside the text"),
        ({"text": "a", "spans": {"x": [[-1, 1]]}}, "outside the text"),
        ({"text": "a", "spans": {"x": [[False, True]]}}, "outside the text"),
        ({"id": "first", "text": "a"}, "stands twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, said):
    path = write(tmp_path / "data.jsonl", {"id": "first", "text": "fine"}, line)
    if said is None:
        assert len(read_dataset(path)) == 2
        return
    with pytest.raises(DatasetError, match=rf"data\.jsonl:2: .*{said}"):
        read_dataset(path)


def test_a_file_that_is_not_there_or_holds_nothing(tmp_path):
    with pytest.raises(DatasetError, match="no such data file"):
        read_dataset(tmp_path / "missing.jsonl")
    with pytest.raises(DatasetError, match="no documents"):
        read_dataset(write(tmp_path / "empty.jsonl", b"", b"  "))


def test_documents_before_a_bad_line_are_read_without_it(tmp_path):
    documents = iterate_dataset(write(tmp_path / "data.jsonl", {"id": "a", "text": "x"}, b"{"))
    assert next(documents).id == "a"
    with pytest.raises(DatasetError):
        next(documents)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values | st.fixed_dictionaries({"text": json_values, "labels": json_values, "spans": json_values}))
def test_anything_is_a_document_or_a_clear_error(raw):
    try:
        document = parse_document(raw, "here")
    except DatasetError as error:
        said = error.message
    else:
        assert isinstance(document.text, str)
        return
    assert said.startswith("here: ")


def test_digests(tmp_path):
    assert text_digest("abc") == hashlib.sha256(b"abc").hexdigest()[:16]
    assert text_digest("\ud800") != text_digest("")
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 1_000_000)
    assert file_digest(path) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
