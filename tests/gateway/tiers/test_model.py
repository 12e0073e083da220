"""A model tier around any tagger: batches, windows, work."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.document import Document
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.forms import Forms
from gateway.tiers.model import BATCH_TOKENS, FIRST_WINDOWS, LAST_WINDOWS, ModelTier
from tests.gateway.tiers.tiny import TASK, VOCABULARY, write_tokenizer

PAD = VOCABULARY["[PAD]"]
SHAPES = []


def tagger(ids, mask):
    """Logits that depend on the token alone; it refuses what no tagger should be given."""
    assert ids.dtype == mask.dtype == np.int64
    assert ids.shape == mask.shape
    assert np.array_equal(mask == 0, ids == PAD)
    SHAPES.append(ids.shape)
    logits = np.random.default_rng(0).normal(size=(len(VOCABULARY), 2, 3))[ids]
    return logits.astype(np.float32)


@pytest.fixture(scope="module")
def tier(tmp_path_factory):
    encoder = TextEncoder(write_tokenizer(tmp_path_factory.mktemp("t") / "tokenizer.json"), window=24, stride=6)
    return ModelTier("student", "v", TASK, ("shop", "total"), encoder, tagger, Forms(), PAD, "float")


texts = st.lists(st.text(st.sampled_from("ab 9.\n"), max_size=120), max_size=6)
one_tier = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@one_tier
@given(texts)
def test_a_document_s_probabilities_do_not_depend_on_its_company(tier, texts):
    encodings = [tier.encoder.encode(text) for text in texts]
    together = tier.probabilities(encodings)
    assert len(together) == len(texts)
    for encoding, probabilities in zip(encodings, together, strict=True):
        assert probabilities.shape == (len(encoding), 2, 3)
        assert np.allclose(probabilities, tier.probabilities([encoding])[0], atol=1e-6)
        # Each token got its own output, in windows or not.
        expected = np.random.default_rng(0).normal(size=(len(VOCABULARY), 2, 3))[encoding.ids]
        assert np.array_equal(probabilities.argmax(-1), expected.argmax(-1))


def test_no_padded_batch_is_larger_than_the_budget(tier):
    SHAPES.clear()
    encodings = [tier.encoder.encode("a " * length) for length in (*range(1, 23), *[22] * 400)]
    tier.probabilities(encodings)
    assert len(SHAPES) > 1
    assert all(rows * columns <= BATCH_TOKENS for rows, columns in SHAPES)
    assert sum(rows for rows, _ in SHAPES) == len(encodings)


def test_only_the_fields_asked_for_are_answered(tier):
    (output,) = tier.propose([Document("a 9.00")], ["total"])
    assert set(output.proposals) == {"total"}
    assert tier.propose([], ["total"]) == []


def test_each_document_gets_the_fields_asked_for_it(tier):
    documents = [Document("a 9.00"), Document("b 8.00"), Document("c")]
    outputs = tier.propose_each(documents, [["total"], ["shop", "total"], []])
    assert [set(output.proposals) for output in outputs] == [{"total"}, {"shop", "total"}, set()]
    for document, output, fields in zip(documents, outputs, [["total"], ["shop", "total"], []], strict=True):
        assert output.proposals == tier.propose([document], fields)[0].proposals


def test_work_is_shared_out_by_tokens(tier):
    outputs = tier.propose([Document("a"), Document("a " * 30), Document("")], ["shop"])
    work = [output.work for output in outputs]
    assert [one.tokens for one in work] == [1, 30, 0]
    assert [one.batch_size for one in work] == [3, 3, 3]
    # The network read 3, 24 + 16 (two windows that overlap) and 2 tokens, special ones among them.
    assert work[0].cpu_seconds > 0
    assert work[1].cpu_seconds == pytest.approx(40 / 3 * work[0].cpu_seconds)
    assert work[2].cpu_seconds == pytest.approx(2 / 3 * work[0].cpu_seconds)
    assert work[0].wall_seconds == work[1].wall_seconds > 0


def test_no_text_has_no_candidates(tier):
    for text in ("", " \n\t", "\x00"):
        (output,) = tier.propose([Document(text)], ["shop", "total"])
        assert all(not proposal.candidates for proposal in output.proposals.values()), text


def test_of_a_very_long_document_the_beginning_and_the_end_are_read(tier, caplog):
    SHAPES.clear()
    encoding = tier.encoder.encode("a " * 5000)
    probabilities = tier.probabilities([encoding])[0]
    assert sum(rows for rows, _ in SHAPES) == FIRST_WINDOWS + LAST_WINDOWS
    unread = np.flatnonzero((probabilities == np.float32([1, 0, 0])).all(axis=(1, 2)))
    assert unread[0] > 0
    assert unread[-1] < len(encoding) - 1
    assert "are not read" in caplog.text
