"""Learning how known values are written."""

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from training.forms import learn_forms

TASK = TaskSpec(
    "bills",
    {
        "shop": FieldSpec("shop", "text"),
        "item": FieldSpec("item", "text", many=True),
        "total": FieldSpec("total", "money"),
        "date": FieldSpec("date", "date"),
    },
)


def learn(*labels, **options):
    return learn_forms([LabelledDocument(str(number), "", row) for number, row in enumerate(labels)], TASK, **options)


def test_the_usual_writing_of_a_value_is_learned():
    rows = [
        {"shop": writing} for writing in ("Kedai Melur", "KEDAI, MELUR.", "KEDAI, MELUR.", " Kedai Melur ", "OTHER")
    ]
    forms = learn(*rows, {"shop": "KEDAI, MELUR. "})
    assert forms.value("shop", "kedai melur") == "KEDAI, MELUR."
    assert forms.value("shop", "other") == "OTHER"
    assert forms.value("shop", "never seen") == "never seen"


def test_on_a_tie_the_first_seen_stands():
    assert learn({"shop": "B. X"}, {"shop": "B X"}).value("shop", "bx") == "B. X"
    assert learn({"shop": "B X"}, {"shop": "B. X"}).value("shop", "bx") == "B X"


def test_items_have_forms_and_dates_and_amounts_have_none():
    forms = learn({"item": ["Pen.", "Ink"], "total": "RM 9.00", "date": "1/2/2018"})
    assert forms.value("item", "PEN") == "Pen."
    assert set(forms.known) == {"shop", "item"}
    assert forms.value("total", "9.00") == "9.00"


def test_absent_and_empty_labels_teach_nothing():
    forms = learn({"shop": None}, {"shop": " ., "}, {"item": []}, {})
    assert all(not known.writings for known in forms.known.values())


def test_the_likeness_of_a_misreading_can_be_chosen():
    row = {"shop": "KEDAI MELUR JAYA"}
    assert learn(row, least=90).value("shop", "KEDAI MELVR JAYA") == "KEDAI MELUR JAYA"
    assert learn(row, least=99).value("shop", "KEDAI MELVR JAYA") == "KEDAI MELVR JAYA"


def test_the_order_of_documents_does_not_shape_the_digest():
    rows = [{"shop": "A"}, {"shop": "B"}, {"shop": "C"}]
    assert learn(*rows).digest == learn(*reversed(rows)).digest


def aligned_forms(*rows):
    """Forms of documents that hold their shop's name and nothing else: text and label."""
    documents = [LabelledDocument(str(number), text, {"shop": label}) for number, (text, label) in enumerate(rows)]
    return learn_forms(documents, TASK, [{"shop": [(0, len(text))]} for text, _ in rows])


def test_a_field_whose_labels_are_written_otherwise_than_its_texts_has_forms():
    forms = aligned_forms(("kedai melur", "KEDAI MELUR"), ("Kedai Melur", "KEDAI MELUR"))
    assert forms.value("shop", "kedai melur") == "KEDAI MELUR"


def test_a_field_whose_labels_are_copies_has_no_forms():
    forms = aligned_forms(("7 pm", "7 pm"), ("7pm", "7pm"), ("7 p.m.", "7 p.m."), ("7pm", "7pm"))
    assert "shop" not in forms.known
    assert forms.value("shop", "7 pm") == "7 pm"


def test_a_writing_seen_in_one_document_alone_is_no_gain():
    assert "shop" not in aligned_forms(("kedai", "KEDAI"), ("jaya", "JAYA")).known
