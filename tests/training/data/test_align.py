"""Finding where a labelled value stands."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from gateway.values import VALUE_TYPES, ValueOptions, canonical, equal, fold_text
from training.data.align import align, find_folded, find_fuzzy, find_value

# Characters that neither start nor end a number, a date or a word, as surroundings that must not swallow the value.
surroundings = st.text(st.sampled_from(" \n:;|-()abcXYZ'\"%&*#@!?=éß"), max_size=25)
anything = st.text(st.sampled_from("aAbBsßİé19 .,\n-/$RM:"), max_size=40)
amounts = st.builds(
    "{}{}".format, st.sampled_from(["", "RM", "RM ", "$", "€ "]), st.decimals(0, 99999, places=2).map("{:,.2f}".format)
)
dates = st.dates().map(lambda date: date.strftime("%d/%m/") + str(2000 + date.year % 100))
texts = st.text(st.sampled_from("ABCDE abcde&'-19"), min_size=1, max_size=25).filter(
    lambda value: value == value.strip() and value[:1].isalnum() and value[-1:].isalnum()
)


def read(text, value, kind, **options):
    spans, how = find_value(text, value, kind, **options)
    return [text[start:end] for start, end in spans], how


@given(anything, anything, st.sampled_from(VALUE_TYPES))
@example("Straße, REGISTRATION NUMBER 7", "REGISTRATION NUMBXR 7", "text")
@example("ßßßßßßßß ABCDEFGHIJ", "ABCDEFGHXJ", "text")
@example("AB", "ABCDEFGH", "text")
@example("x", "", "text")
@example("15", "1.5", "number")
def test_what_is_found_is_the_label_by_value(text, value, kind):
    found, how = read(text, value, kind)
    assert (how == "missing") == (not found)
    assert all(found)
    if how == "exact" and kind == "text":
        assert set(found) == {value}
    elif how in ("exact", "value", "folded"):
        assert all(equal(kind, one, value) or fold_ignoring_composition(one, value) for one in found)
        assert (how == "exact") <= (value in found)


def fold_ignoring_composition(one, value):
    """Alignment folds character by character; equality may compose neighbours first."""
    return "".join(map(fold_text, one)) == "".join(map(fold_text, value))


@given(surroundings, surroundings, amounts)
def test_an_amount_in_a_text_is_found(before, after, amount):
    assume(not before.rstrip().endswith("-"))
    text = f"{before} {amount} {after}"
    found, how = read(text, amount, "money")
    assert how in ("exact", "value")
    assert [canonical("money", one) for one in found] == [canonical("money", amount)]


@given(surroundings, surroundings, dates)
def test_a_date_in_a_text_is_found(before, after, date):
    found, how = read(f"{before} {date} {after}", date, "date")
    assert (found, how) == ([date], "exact")


@given(surroundings, surroundings, st.integers(-9999, 9999), st.sampled_from(["{}", "{:,}", "{}.5", "{}.0"]))
def test_a_number_in_a_text_is_found(before, after, number, written):
    assume(not before.rstrip().endswith("-"))
    value = written.format(number)
    found, how = read(f"{before} {value} {after}", str(Decimal(value.replace(",", ""))), "number")
    assert how in ("exact", "value")
    assert found == [value]


@given(anything, anything, texts)
def test_a_value_in_a_text_is_found_wherever_it_is_a_whole_word(before, after, value):
    text = f"{before} {value} {after}"
    spans, how = find_value(text, value, "text")
    assert how == "exact"
    assert (len(before) + 1, len(before) + 1 + len(value)) in spans


@given(texts.filter(lambda value: len(fold_text(value)) > 1), st.data())
def test_case_commas_stops_and_white_space_may_differ(value, data):
    written = "".join(
        data.draw(st.sampled_from([char, char.swapcase()])) + data.draw(st.sampled_from(["", "", ".", ",", "\n", " "]))
        for char in value[:-1]
    )
    text = f"((( {written}{value[-1]} )))"
    found, how = read(text, value, "text")
    assert how in ("exact", "folded")
    assert fold_text(text[4:-4]) in map(fold_text, found)


@pytest.mark.parametrize(
    ("text", "value", "kind", "expected", "how"),
    [
        ("TOTAL 9.00 CASH 9.00", "9.00", "money", ["9.00", "9.00"], "exact"),
        ("TOTAL RM 9.00", "9.00", "money", ["9.00"], "exact"),
        ("TOTAL RM 9.00", "RM9.00", "money", ["RM 9.00"], "value"),
        ("TOTAL 9.0", "RM9.00", "money", ["9.0"], "value"),
        ("RM\n9.00", "RM9.00", "money", ["9.00"], "value"),
        ("CHANGE RM-9.00", "9.00", "money", [], "missing"),
        ("CHANGE RM-9.00", "-9.00", "money", ["RM-9.00"], "value"),
        ("CHANGE\n-9.00", "-9.00", "money", ["-9.00"], "exact"),
        ("19.00 9.001", "9.00", "money", [], "missing"),
        ("1,249.00", "249.00", "money", [], "missing"),
        ("QTY 9 AT 1", "9.00", "money", [], "missing"),
        ("TOTAL RM 9 ROOM 109", "RM9", "money", ["RM 9"], "value"),
        ("TOTAL 9.01", "9.00", "money", [], "missing"),
        ("20/12/2018 21/12/2018", "20-12-2018", "date", ["20/12/2018"], "value"),
        ("04/05/2018 20180504", "04/05/2018", "date", ["04/05/2018", "20180504"], "exact"),
        ("120/12/20181", "20/12/2018", "date", [], "missing"),
        ("2018", "20/12/2018", "date", [], "missing"),
        ("TABLE 4 FOR 14, 4.5 OR 4PM", "4", "number", ["4"], "exact"),
        ("1,000 OF 1000.00", "1000", "number", ["1,000", "1000.00"], "value"),
        ("12/04 AT 4", "4", "number", ["4"], "exact"),
        ("10-12 AT 10, 10:30", "10", "number", ["10"], "exact"),
        ("KEDAI MELUR 12", "KEDAI MELUR 1", "text", ["KEDAI MELUR 12"], "fuzzy"),
        ("NO 112 STREET", "NO, 11 2 STREET.", "text", ["NO 112 STREET"], "folded"),
        ("NO 12345", "no 1", "text", [], "missing"),
        ("MELUR ENTERPRISE.", "melur enterprise.", "text", ["MELUR ENTERPRISE."], "folded"),
        ("KEDAI MELVR SDN BHD\nTEA", "KEDAI MELUR SDN BHD", "text", ["KEDAI MELVR SDN BHD"], "fuzzy"),
        ("TEA", "KEDAI TEA", "text", [], "missing"),
        ("QQQQQQQQQQQQQABCDXFGHQQQQQQQQQQ", "ABCDEFGH", "text", [], "missing"),
        ("TEA", "", "text", [], "missing"),
        ("TEA", " ", "text", [], "missing"),
        ("TEA", ".", "text", [], "missing"),
        ("", "TEA", "text", [], "missing"),
    ],
)
def test_by_example(text, value, kind, expected, how):
    assert read(text, value, kind) == (expected, how)


def test_the_order_of_day_and_month_is_the_task_s():
    text = "04/05/2018 05/04/2018"
    assert read(text, "2018-05-04", "date", options=ValueOptions(day_first=True))[0] == ["04/05/2018"]
    assert read(text, "2018-05-04", "date", options=ValueOptions(day_first=False))[0] == ["05/04/2018"]


@given(anything, anything)
@example("ßß KEDAI MELUR", "KEDAI MELVR")
@example("İİİİİİİİ KEDAI MELUR", "KEDAI MELVR")
def test_a_fuzzy_match_is_whole_words_of_the_text(text, value):
    for start, end in find_fuzzy(text, value, least=60):
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert start == 0 or text[start - 1].isspace()
        assert end == len(text) or text[end].isspace()


def test_a_fuzzy_match_is_at_the_right_place_behind_characters_that_fold_to_several():
    text = "Straße İstanbul KEDAI MELUR SDN"
    assert [text[start:end] for start, end in find_fuzzy(text, "KEDAI MELVR SDN")] == ["KEDAI MELUR SDN"]


@given(st.text(st.sampled_from("12 .,a"), max_size=20), st.text(st.sampled_from("12"), min_size=1, max_size=4))
def test_no_number_is_cut(text, value):
    for start, end in find_folded(text, value):
        assert not (start and text[start - 1].isdigit())
        assert not text[end : end + 1].isdigit()


OPEN = "unannotated"
TASK = TaskSpec(
    "bills",
    {
        "shop": FieldSpec("shop", "text", null_means=OPEN),
        "total": FieldSpec("total", "money", null_means=OPEN),
        "items": FieldSpec("items", "text", many=True),
    },
)


def aligned(text, labels, spans=None):
    (found,), report = align([LabelledDocument("a", text, labels, spans or {})], TASK)
    return found, report


def test_spans_of_the_data_are_taken_as_they_are():
    found, report = aligned("KEDAI KEDAI", {"shop": "KEDAI"}, {"shop": [(6, 11)]})
    assert found == {"shop": [(6, 11)]}
    assert report.counts["shop"] == {"given": 1}


def test_what_is_not_annotated_or_not_found_is_left_out_and_reported():
    found, report = aligned("KEDAI", {"shop": None, "total": "9.00"})
    assert found == {}
    assert report.missing == [("a", "total", "9.00")]
    assert report.counts == {"total": {"missing": 1}}


def test_all_items_must_be_found():
    found, report = aligned("PEN INK PEN", {"items": ["PEN", "INK"]})
    assert found == {"items": [(0, 3), (4, 7), (8, 11)]}
    found, report = aligned("PEN INK", {"items": ["PEN", "PAPER"]})
    assert found == {}
    assert report.counts["items"] == {"exact": 1, "missing": 1}


def test_null_teaches_absence_where_it_means_that():
    assert aligned("PEN", {"items": None, "shop": None})[0] == {"items": []}
    closed = replace(TASK, closed_labels=True)
    (found,), _ = align([LabelledDocument("a", "PEN", {"shop": "PEN"})], closed)
    assert found == {"shop": [(0, 3)], "total": [], "items": []}


def test_an_empty_list_teaches_that_there_is_no_item():
    assert aligned("PEN", {"items": []})[0] == {"items": []}


def test_the_training_part_of_the_receipts_is_found_nearly_whole(shared_data, project_home):
    from gateway.evaluation.dataset import read_dataset
    from gateway.evaluation.split import Split

    split = Split.load(project_home.models / "receipts" / "split.json")
    documents = split.select(read_dataset(shared_data / "receipts" / "train.jsonl"), "train")
    task = project_home.task("receipts")
    kinds = {name: field.type for name, field in task.fields.items()}
    found, report = align(documents, task)
    for name, counts in report.counts.items():
        assert counts["missing"] <= 0.01 * counts.total(), name
    for document, spans in zip(documents, found, strict=True):
        for name in ("date", "total"):
            for start, end in spans.get(name, []):
                assert equal(kinds[name], document.text[start:end], document.labels[name]), document.id


def test_a_place_that_holds_more_than_the_value_is_cut_to_it():
    text = "Governed by the law of New York.\nMade as of March 5, 2019, between A and B"
    task = TaskSpec("deeds", {"law": FieldSpec("law", "text"), "date": FieldSpec("date", "date")}, day_first=False)
    document = LabelledDocument(
        "1", text, {"law": "New York", "date": "3/5/19"}, spans={"law": [(0, 32)], "date": [(33, len(text))]}
    )
    [found], report = align([document], task)
    assert {name: [text[start:end] for start, end in spans] for name, spans in found.items()} == {
        "law": ["New York"],
        "date": ["March 5, 2019"],
    }
    assert {name: dict(counts) for name, counts in report.counts.items()} == {
        "law": {"inside": 1},
        "date": {"inside": 1},
    }
    [found], report = align([replace(document, labels={"law": "Ohio", "date": "3/5/19"})], task)
    assert "law" not in found
    assert report.missing == [("1", "law", "Ohio")]


def test_a_place_that_holds_the_value_otherwise_written_stays():
    task = TaskSpec("deeds", {"date": FieldSpec("date", "date")}, day_first=False)
    document = LabelledDocument("1", "On March 5, 2019", {"date": "3/5/19"}, spans={"date": [(3, 16)]})
    [found], report = align([document], task)
    assert found == {"date": [(3, 16)]}
    assert report.counts["date"]["given"] == 1
