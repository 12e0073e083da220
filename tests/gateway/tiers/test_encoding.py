"""Tokens, windows, and putting windows together again."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.tiers.encoding import Encoding, TextEncoder, Window, stitch
from tests.gateway.tiers.tiny import VOCABULARY, write_tokenizer

one_encoder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return TextEncoder(tokenizer)


def numbered(length, context=0):
    """A document whose tokens are their own positions, after a context of tokens from 1000 on."""
    positions = np.arange(length)
    offsets = np.stack([positions, positions + 1], axis=1).astype(np.int32)
    return Encoding(positions.astype(np.int64), offsets, np.arange(1000, 1000 + context))


@st.composite
def cuts(draw):
    window = draw(st.integers(3, 40))
    return window, draw(st.integers(0, window - 3)), draw(st.integers(0, 200))


@one_encoder
@given(cuts())
def test_windows_cover_every_token_in_order_and_overlap_by_the_stride(tokenizer, cut):
    window, stride, length = cut
    encoder = TextEncoder(tokenizer, window=window, stride=stride)
    document = numbered(length)
    windows = encoder.windows(document)
    assert windows[0].start == 0
    assert windows[-1].end == length
    assert len(windows) == 1 or length > window - 2
    for one in windows:
        assert len(one.ids) <= window
        assert one.ids.tolist() == [encoder.first_id, *range(one.start, one.end), encoder.last_id]
    for one, after in itertools.pairwise(windows):
        assert one.end - after.start == stride
        assert one.end < after.end


@one_encoder
@given(cuts(), st.integers(1, 8))
def test_every_window_begins_with_the_context(tokenizer, cut, context):
    window, stride, length = cut
    encoder = TextEncoder(tokenizer, window=window + context + 1, stride=stride, context_tokens=context)
    lead = [encoder.first_id, *range(1000, 1000 + context), encoder.last_id]
    windows = encoder.windows(numbered(length, context))
    assert [(one.start, one.end) for one in windows] == [
        (one.start, one.end) for one in TextEncoder(tokenizer, window=window, stride=stride).windows(numbered(length))
    ]
    for one in windows:
        assert one.ids.tolist() == [*lead, *range(one.start, one.end), encoder.last_id]
        assert one.ids[one.own].tolist() == list(range(one.start, one.end))


def test_only_the_end_of_a_context_is_read(tokenizer):
    read = TextEncoder(tokenizer, context_tokens=2).encode("tea", "9 tea total")
    assert read.context.tolist() == TextEncoder(tokenizer).encode("tea total").ids.tolist()
    assert read.ids.tolist() == TextEncoder(tokenizer).encode("tea").ids.tolist()


@pytest.mark.parametrize("context", [None, ""])
def test_no_context_adds_nothing(tokenizer, context):
    read = TextEncoder(tokenizer, context_tokens=2).encode("tea", context)
    (window,) = TextEncoder(tokenizer, context_tokens=2).windows(read)
    assert window.ids.tolist() == TextEncoder(tokenizer).windows(TextEncoder(tokenizer).encode("tea"))[0].ids.tolist()


def test_a_model_that_reads_no_context_is_given_none(encoder):
    assert len(encoder.encode("tea", "9 tea").context) == 0


@one_encoder
@given(cuts())
def test_stitching_gives_every_token_its_own_output(tokenizer, cut):
    window, stride, length = cut
    windows = TextEncoder(tokenizer, window=window, stride=stride).windows(numbered(length))
    outputs = [np.stack([np.arange(one.start, one.end)] * 2, axis=1).astype(np.float32) for one in windows]
    stitched = stitch(windows, outputs, length)
    assert stitched.shape == (length, 2)
    assert np.array_equal(stitched[:, 0], np.arange(length))


@one_encoder
@given(cuts())
def test_a_token_is_taken_from_the_window_that_shows_most_of_its_surroundings(tokenizer, cut):
    window, stride, length = cut
    windows = TextEncoder(tokenizer, window=window, stride=stride).windows(numbered(length))

    def context(one, position):
        left = position - one.start if one.start else length
        right = one.end - 1 - position if one.end < length else length
        return min(left, right)

    outputs = [np.array([context(one, at) for at in range(one.start, one.end)]) for one in windows]
    best = [max(context(one, at) for one in windows if one.start <= at < one.end) for at in range(length)]
    assert stitch(windows, outputs, length).tolist() == best


@one_encoder
@given(st.text(max_size=80))
def test_offsets_lie_in_the_text_and_ascend(encoder, text):
    encoding = encoder.encode(text)
    assert encoding.ids.shape == (len(encoding),)
    assert encoding.offsets.shape == (len(encoding), 2)
    starts, ends = encoding.offsets[:, 0], encoding.offsets[:, 1]
    assert np.all((starts >= 0) & (starts <= ends) & (ends <= len(text)))
    assert np.all(np.diff(starts) >= 0)


@one_encoder
@given(st.text(st.sampled_from("ab9 .\n\U0001f600é한"), max_size=40))
def test_offsets_count_code_points(encoder, text):
    named = {number: token for token, number in VOCABULARY.items()}
    encoding = encoder.encode(text)
    for identifier, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        token = named[int(identifier)].removeprefix("##")
        if token == "|":
            assert text[start:end] == "\n"
        elif token.isalnum() and len(token) == 1 and text[start:end].isascii():
            assert text[start:end] == token


def test_line_breaks_are_tokens(encoder):
    encoding = encoder.encode("tea\n9\n")
    bar = VOCABULARY["|"]
    assert encoding.ids.tolist() == [VOCABULARY["tea"], bar, VOCABULARY["9"], bar]
    assert encoding.offsets.tolist() == [[0, 3], [3, 4], [4, 5], [5, 6]]


def test_a_lone_surrogate_is_one_character(encoder):
    encoding = encoder.encode("a\ud800 tea")
    assert encoding.offsets[-1].tolist() == [3, 6]


def test_no_text_is_one_window_of_special_tokens(encoder):
    (window,) = encoder.windows(encoder.encode(""))
    assert window.ids.tolist() == [VOCABULARY["[CLS]"], VOCABULARY["[SEP]"]]
    assert stitch([window], [np.zeros((0, 2, 3), dtype=np.float32)], 0).shape == (0, 2, 3)


def test_a_long_text_is_not_truncated(tokenizer, tmp_path):
    raw = json.loads(tokenizer.read_text("utf-8"))
    raw["truncation"] = {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    raw["padding"] = {
        "strategy": {"Fixed": 16},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(raw), "utf-8")
    encoder = TextEncoder(path)
    assert len(encoder.encode("tea " * 100)) == 100
    assert len(encoder.encode("tea")) == 1


@pytest.mark.parametrize(("window", "stride"), [(64, 62), (64, 128), (64, -1), (2, 0)])
def test_windows_that_would_not_advance_are_refused(tokenizer, window, stride):
    with pytest.raises(ValueError, match="does not fit"):
        TextEncoder(tokenizer, window=window, stride=stride)


def test_a_tokenizer_without_special_tokens_around_a_text_is_refused(tokenizer, tmp_path):
    raw = json.loads(tokenizer.read_text("utf-8"))
    raw["post_processor"] = None
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(raw), "utf-8")
    with pytest.raises(ValueError, match="expected one special token before and one after, found 0"):
        TextEncoder(path)


def test_tokens_of_windows_that_were_not_read_count_as_outside():
    windows = [Window(0, 4, np.zeros(6, np.int64)), Window(8, 10, np.zeros(4, np.int64))]
    read = [np.full((end - start, 1, 3), 1 / 3, np.float32) for start, end in ((0, 4), (8, 10))]
    stitched = stitch(windows, read, 10)
    assert stitched[4:8].tolist() == [[[1.0, 0.0, 0.0]]] * 4
    assert np.allclose(stitched[[0, 3, 8, 9]], 1 / 3)
