"""Word pieces cut down to those of training texts."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors

from gateway.errors import ConfigurationError
from gateway.tiers.encoding import TextEncoder
from tests.gateway.tiers.tiny import SPECIAL, VOCABULARY
from training.families.vocabulary import prune, rows_of, student_tokenizer

TEXTS = ["KEDAI MELUR\ntotal RM 9.00", "tea", "tea bhd", "melur kedai rm total"]
GONE = {"shop", "bhd"}
texts = st.text(st.sampled_from("abcdehlmoprstu 0123456789.,|\nÄß東é") | st.characters(codec="ascii"))


@pytest.fixture(scope="module")
def pruned(tiny_base, tmp_path_factory):
    path = tmp_path_factory.mktemp("pruned") / "tokenizer.json"
    return path, prune(tiny_base / "tokenizer.json", TEXTS, path)


@pytest.fixture(scope="module")
def encoders(tiny_base, pruned):
    return TextEncoder(tiny_base / "tokenizer.json"), TextEncoder(pruned[0])


def pieces(tokenizer, ids):
    return [tokenizer.id_to_token(number) for number in ids]


def test_only_pieces_that_no_text_holds_are_gone(pruned):
    path, kept = pruned
    assert set(VOCABULARY) - set(kept) == GONE
    assert kept == [piece for piece in VOCABULARY if piece not in GONE]
    tokenizer = Tokenizer.from_file(str(path))
    assert [tokenizer.token_to_id(piece) for piece in kept] == list(range(len(kept)))
    assert pieces(tokenizer, tokenizer.encode("tea").ids) == ["[CLS]", "tea", "[SEP]"]
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == [kept.index(name) for name in SPECIAL]


@given(st.lists(st.sampled_from([*"\n|., 9", "kedai", "Melur", "TOTAL", "rm", "tea"])).map("".join))
def test_texts_of_kept_pieces_are_encoded_as_before(encoders, pruned, tiny_base, text):
    whole, cut = (encoder.encode(text) for encoder in encoders)
    before = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    if GONE & set(pieces(before, whole.ids)):
        return
    assert np.array_equal(whole.offsets, cut.offsets)
    assert pieces(before, whole.ids) == pieces(Tokenizer.from_file(str(pruned[0])), cut.ids)


@given(texts)
def test_any_other_text_is_still_read(encoders, pruned, tiny_base, text):
    """No sign is lost that was read before, and none is read that was not."""
    tokenizers = [Tokenizer.from_file(str(path)) for path in (tiny_base / "tokenizer.json", pruned[0])]
    read = []
    for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
        encoding = encoder.encode(text)
        unknown = tokenizer.token_to_id("[UNK]")
        read.append(
            {
                place
                for (start, end), number in zip(encoding.offsets.tolist(), encoding.ids.tolist(), strict=True)
                if number != unknown
                for place in range(start, end)
            }
        )
    assert read[0] == read[1]


def test_a_word_that_is_gone_is_cut_into_signs(encoders, pruned):
    ids = encoders[1].encode("shop").ids
    assert pieces(Tokenizer.from_file(str(pruned[0])), ids) == ["s", "##h", "##o", "##p"]


def test_rows_are_the_base_s_numbers(tiny_base, pruned):
    path, kept = pruned
    assert rows_of(path, tiny_base) == [VOCABULARY[piece] for piece in kept]


def test_a_piece_the_base_does_not_have_is_refused(tiny_base, tmp_path):
    raw = json.loads((tiny_base / "tokenizer.json").read_text("utf-8"))
    raw["model"]["vocab"]["strange"] = len(VOCABULARY)
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw), "utf-8")
    with pytest.raises(ConfigurationError, match="the piece 'strange' is not one of the base's"):
        rows_of(tmp_path / "tokenizer.json", tiny_base)


def test_a_family_with_all_pieces_has_the_base_s_tokenizer(tiny_base, tmp_path, small):
    path = tmp_path / "tokenizer.json"
    assert student_tokenizer(small("truncated"), tiny_base, TEXTS, path) == tiny_base / "tokenizer.json"
    assert not path.exists()
    assert student_tokenizer(small("narrow"), tiny_base, TEXTS, path) == path


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_other_kinds_of_special_tokens_are_renumbered(tiny_base, tmp_path, wrapped):
    """A tokenizer whose special tokens change their numbers, written as BERT's own post-processor."""
    raw = json.loads((tiny_base / "tokenizer.json").read_text("utf-8"))
    last = len(VOCABULARY) - 1
    moved = {**VOCABULARY, "[SEP]": last, "rm": VOCABULARY["[SEP]"]}
    raw["model"]["vocab"] = moved
    for token in raw["added_tokens"]:
        token["id"] = moved[token["content"]]
    (tmp_path / "base.json").write_text(json.dumps(raw), "utf-8")
    tokenizer = Tokenizer.from_file(str(tmp_path / "base.json"))
    around = processors.BertProcessing(("[SEP]", last), ("[CLS]", moved["[CLS]"]))
    tokenizer.post_processor = processors.Sequence([around]) if wrapped else around
    tokenizer.enable_padding(pad_id=moved["[PAD]"], pad_token="[PAD]")
    tokenizer.save(str(tmp_path / "base.json"))

    kept = prune(tmp_path / "base.json", TEXTS, tmp_path / "pruned.json")
    assert kept.index("[SEP]") < last
    found = Tokenizer.from_file(str(tmp_path / "pruned.json"))
    assert found.encode("tea").tokens == ["[CLS]", "tea", "[SEP]"]
    assert found.padding["pad_id"] == kept.index("[PAD]")
    assert TextEncoder(tmp_path / "pruned.json").last_id == kept.index("[SEP]")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda raw: raw["model"].update(type="BPE"), "only tokenizers of word pieces"),
        (lambda raw: raw["post_processor"].update(type="RobertaProcessing"), "RobertaProcessing is not known"),
        (lambda raw: raw["added_tokens"][0].update(content="[X]"), r"'\[X\]' is not one of its word pieces"),
    ],
)
def test_what_is_not_known_is_refused(tiny_base, tmp_path, monkeypatch, change, problem):
    raw = json.loads((tiny_base / "tokenizer.json").read_text("utf-8"))
    change(raw)
    (tmp_path / "base.json").write_text(json.dumps(raw), "utf-8")
    # The library itself may refuse such a file; what is tested is that it is not written wrongly.
    monkeypatch.setattr("training.families.vocabulary.TextEncoder", lambda _: None)
    with pytest.raises(ConfigurationError, match=problem):
        prune(tmp_path / "base.json", [], tmp_path / "pruned.json")
    assert not (tmp_path / "pruned.json").exists()
