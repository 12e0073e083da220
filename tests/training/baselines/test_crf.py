"""The conditional random field, from labelled texts to values."""

import random

import numpy as np
import pytest

from gateway.evaluation.dataset import LabelledDocument
from gateway.tiers.forms import Forms
from tests.gateway.tiers.tiny import TASK
from training.baselines.crf import CrfSettings, tags_of, train_crf
from training.baselines.features import words_of
from training.data.align import align
from training.evaluate import f1_of

FIELDS = list(TASK.fields)


def bills(size, seed):
    """Shops on the first line, totals behind ``TOTAL``; names and amounts of one seed are not those of another."""
    rng = random.Random(seed)
    documents = []
    for number in range(size):
        shop = f"{rng.choice(['KEDAI', 'TOKO', 'WARUNG'])} {''.join(rng.choices('ABCDEFGH', k=5))}"
        total = f"{rng.randrange(1, 99)}.{rng.randrange(100):02d}"
        text = f"{shop}\nTEA {rng.randrange(1, 9)}.50\nTOTAL RM {total}"
        documents.append(LabelledDocument(f"{seed}/{number}", text, {"shop": shop, "total": total}))
    return documents


@pytest.fixture(scope="module")
def crf(tmp_path_factory):
    documents = bills(60, 0)
    return train_crf(documents, align(documents, TASK)[0], FIELDS, tmp_path_factory.mktemp("crf"))


def read(crf, documents):
    encodings = [crf.encode(document) for document in documents]
    return encodings, [
        crf.probabilities(document, encoding) for document, encoding in zip(documents, encodings, strict=True)
    ]


def test_it_finds_values_it_never_saw(crf):
    documents = bills(40, 1)
    encodings, found = read(crf, documents)
    assert f1_of(documents, encodings, found, TASK, Forms())["micro"] > 95


def test_probabilities_are_probabilities(crf):
    _, (found, nothing) = read(crf, [bills(1, 2)[0], LabelledDocument("empty", " \n")])
    assert found.shape == (len(words_of(bills(1, 2)[0].text)), 2, 3)
    assert np.allclose(found.sum(-1), 1, atol=1e-5)
    assert nothing.shape == (0, 2, 3)


def test_the_same_documents_give_the_same_models(crf, tmp_path):
    documents = bills(60, 0)
    again = train_crf(documents, align(documents, TASK)[0], FIELDS, tmp_path)
    one, other = (read(model, bills(3, 3))[1] for model in (crf, again))
    assert all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def test_a_field_that_is_never_seen_is_always_absent(tmp_path):
    documents = bills(20, 0)
    spans = [{"shop": [], "total": found["total"]} for found in align(documents, TASK)[0]]
    crf = train_crf(documents, spans, FIELDS, tmp_path, CrfSettings(iterations=20))
    _, (found,) = read(crf, bills(1, 1))
    assert (found[:, 0, 0] == 1).all()
    assert found[:, 1, 1].max() > 0.5


def test_documents_that_are_not_annotated_teach_nothing(crf, tmp_path):
    documents = bills(60, 0)
    aligned = align(documents, TASK)[0]
    # The same texts again, without labels: were they read as "no value here", half of what is seen would say so.
    silent = [LabelledDocument(f"silent/{document.id}", document.text) for document in documents]
    more = train_crf([*documents, *silent], [*aligned, *({} for _ in silent)], FIELDS, tmp_path)
    one, other = (read(model, bills(3, 3))[1] for model in (crf, more))
    assert all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def test_values_are_marked_by_whole_words():
    offsets = words_of("at 7:30 pm for 4")
    assert tags_of(offsets, [(3, 10)]) == ["outside", "begin", "inside", "inside", "inside", "outside", "outside"]
    assert tags_of(offsets, [(4, 5), (15, 16)])[1:3] == ["outside", "begin"]
    assert tags_of(offsets, []) == ["outside"] * 7
