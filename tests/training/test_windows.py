"""Learning which windows of long documents are worth reading, and which to learn from."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec
from gateway.tiers.encoding import TextEncoder, Window
from training.windows import LEAST_DOCUMENTS, character_windows, learn_windows, windows_to_learn_from

FIELDS = [FieldSpec("shop", "text"), FieldSpec("total", "money")]


@pytest.fixture(scope="module")
def narrow(tokenizer):
    return TextEncoder(tokenizer, window=14, stride=0)


def bills(count, seed=0, pages=8):
    """Long bills: the shop on the first page, the total after "total" on any other; each with its spans."""
    drawn = random.Random(seed)
    documents, aligned = [], []
    for number in range(count):
        page = ["tea " * drawn.randint(10, 12) for _ in range(pages)]
        page[0] = "shop kedai melur bhd " + "tea " * 8
        place = drawn.randrange(1, pages)
        page[place] = "tea tea total rm 9 " + "tea " * 7
        text = "".join(page)
        documents.append(LabelledDocument(str(number), text))
        shop, total = text.index("kedai"), text.index("9")
        aligned.append({"shop": [(shop, shop + 15)], "total": [(total, total + 1)]})
    return documents, aligned


def test_values_of_unseen_documents_are_reached_in_few_windows(narrow):
    chooser, reports = learn_windows(*bills(80), FIELDS, narrow, recall=0.95)
    for report in reports.values():
        assert report.values == 80
        assert report.reached >= 0.95
    documents, aligned = bills(40, seed=1)
    reached = read = everything = 0
    for document, spans in zip(documents, aligned, strict=True):
        _, windows = character_windows(narrow, document)
        chosen = chooser.choose(document.text, windows, ["shop", "total"])
        for name, places in chosen.items():
            ((start, end),) = spans[name]
            reached += any(windows[place][0] <= start and end <= windows[place][1] for place in places)
        read += len(set().union(*chosen.values()))
        everything += len(windows)
    assert reached / 80 >= 0.9
    assert read / everything < 0.5


def test_the_same_documents_give_the_same_chooser(narrow):
    assert learn_windows(*bills(60), FIELDS, narrow, recall=0.95) == learn_windows(
        *bills(60), FIELDS, narrow, recall=0.95
    )


def test_few_or_short_documents_teach_nothing(narrow, tokenizer):
    assert learn_windows(*bills(LEAST_DOCUMENTS - 1), FIELDS, narrow, recall=0.95) == (None, {})
    assert learn_windows(*bills(60), FIELDS, TextEncoder(tokenizer), recall=0.95) == (None, {})


def test_a_field_with_few_values_has_no_model(narrow):
    documents, aligned = bills(60)
    rare = [{**spans, "total": []} if number > 5 else spans for number, spans in enumerate(aligned)]
    chooser, reports = learn_windows(documents, rare, FIELDS, narrow, recall=0.95)
    assert list(chooser.fields) == list(reports) == ["shop"]


@given(st.integers(1, 12), st.data(), st.floats(0, 3))
def test_what_holds_a_value_or_will_be_read_is_learned_from_and_some_others(count, data, negatives):
    windows = [Window(index, index + 1, np.arange(3)) for index in range(count)]
    characters = [(10 * index, 10 * index + 10) for index in range(count)]
    read = data.draw(st.sets(st.integers(0, count - 1)))
    starts = data.draw(st.lists(st.integers(0, 10 * count - 1), max_size=3))
    spans = {"total": [(start, start + 1) for start in starts]}
    chosen = windows_to_learn_from(windows, spans, characters, read, negatives, np.random.default_rng(0))
    holding = {start // 10 for start in starts}
    assert chosen == sorted(set(chosen))
    assert holding | read <= set(chosen)
    others = count - len(holding | read)
    assert len(chosen) - len(holding | read) == min(others, round(negatives * max(1, len(holding))))
