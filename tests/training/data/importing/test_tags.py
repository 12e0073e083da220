"""Tags to stretches of tokens and back, in every scheme."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.importing.detokenising import detokenise, locate
from training.data.importing.tags import BadTag, Chunk, chunks, detect_scheme, to_tags

SCHEMES = ("iob1", "iob2", "bilou", "bioes")
TOKENS = st.lists(
    st.one_of(st.sampled_from([",", ".", "(", ")", '"', "'", "'s", "n't", "$", "``"]), st.text("aé1中-", min_size=1)),
    max_size=25,
)


@st.composite
def chunked(draw):
    """Chunks that do not overlap, and the number of tokens."""
    found, position = [], 0
    for _ in range(draw(st.integers(0, 8))):
        position += draw(st.integers(0, 3))
        end = position + draw(st.integers(1, 4))
        found.append(Chunk(draw(st.sampled_from(["date", "name", "B-x"])), position, end))
        position = end
    return found, position + draw(st.integers(0, 3))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(chunked())
def test_what_is_tagged_is_read_again_with_and_without_the_scheme(scheme, case):
    found, length = case
    tags = to_tags(found, length, scheme)
    assert chunks(tags, scheme) == found
    assert chunks(tags) == found


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b", "L-a", "U-b", "E-b", "S-a"]), max_size=20))
def test_any_tags_give_stretches_in_order_that_cover_exactly_what_is_tagged(tags):
    found = chunks(tags)
    covered = [index for chunk in found for index in range(chunk.start, chunk.end)]
    assert covered == [index for index, tag in enumerate(tags) if tag != "O"]
    assert all(tags[index].endswith(f"-{chunk.label}") for chunk in found for index in range(chunk.start, chunk.end))


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["I-a", "I-a", "B-a"], "iob1"),
        (["B-a", "I-a", "B-a"], "iob2"),
        (["B-a", "L-a", "U-a"], "bilou"),
        (["B-a", "E-a", "S-a"], "bioes"),
    ],
)
def test_the_scheme_is_told_and_two_adjacent_values_stay_two(tags, scheme):
    assert detect_scheme([tags]) == scheme
    assert chunks(tags, scheme) == [("a", 0, 2), ("a", 2, 3)]


@pytest.mark.parametrize(
    ("tags", "scheme", "index"),
    [
        (["O", "I-a"], "iob2", 1),
        (["B-a", "I-b"], "iob2", 1),
        (["O", "B-a"], "iob1", 1),
        (["B-a", "O"], "bilou", 1),
        (["B-a", "I-a"], "bilou", 1),
        (["O", "L-a"], "bilou", 1),
        (["U-a"], "bioes", 0),
        (["X-a"], None, 0),
        (["O", "date"], None, 1),
    ],
)
def test_what_a_scheme_does_not_allow_is_refused_at_its_token(tags, scheme, index):
    with pytest.raises(BadTag) as error:
        chunks(tags, scheme)
    assert error.value.index == index


@given(TOKENS, st.booleans())
def test_every_token_stands_in_the_text_where_it_is_said_to(tokens, spaced):
    text, spans = detokenise(tokens, spaced=spaced)
    assert [text[start:end] for start, end in spans] == tokens
    between = [text[left:right] for (_, left), (right, _) in pairwise(spans)]
    assert set(between) <= {"", " "}
    if spaced:
        assert text == " ".join(tokens)
    assert locate(tokens, text) is not None


def test_a_sentence_looks_as_people_write_it():
    tokens = [
        "He",
        "said",
        '"',
        "it",
        "is",
        "n't",
        "Anna",
        "'s",
        "(",
        "new",
        ")",
        "car",
        ",",
        "but",
        "$",
        "5",
        "worth",
        '"',
        ".",
    ]
    assert detokenise(tokens)[0] == "He said \"it isn't Anna's (new) car, but $5 worth\"."
