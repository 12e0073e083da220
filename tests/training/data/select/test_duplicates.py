"""Near-duplicates: planted ones are found, others left alone."""

import random

import pytest

from gateway.errors import ConfigurationError
from gateway.evaluation.dataset import read_dataset
from training.data.select.duplicates import near_duplicates, shingles, similarity, without_duplicates

WORDS = ["the", "of", "and", "to", "in", "tea", "rice", "noodle", "receipt", "total", "cash", "change", "date", "tax"]


def texts(count=300, seed=0):
    source = random.Random(seed)
    return [" ".join(source.choice(WORDS) + str(source.randrange(1000)) for _ in range(20)) for _ in range(count)]


def test_planted_duplicates_are_found_and_nothing_else():
    documents = texts()
    planted = {}
    for index in range(0, 60, 2):
        changed = documents[index].upper().replace(" ", "  ", 3)
        planted[index] = len(documents)
        documents.append(changed[:40] + "x" + changed[41:])
    assert near_duplicates(documents) == [[index, copy] for index, copy in planted.items()]


def test_what_is_alike_through_others_is_one_group():
    first = texts(1)[0]
    second = first[:80] + "#" * 4 + first[84:]
    third = second[:30] + "@" * 4 + second[34:]
    assert similarity(shingles(first), shingles(second)) >= 0.85
    assert similarity(shingles(first), shingles(third)) < 0.85
    assert near_duplicates([first, *texts(20, 1), second, third], least=0.85) == [[0, 21, 22]]


def test_a_lower_similarity_joins_more():
    first = texts(1)[0]
    second = first[:60] + texts(1, 5)[0][:40] + first[100:]
    assert 0.5 < similarity(shingles(first), shingles(second)) < 0.8
    assert near_duplicates([first, second]) == []
    assert near_duplicates([first, second], least=0.5) == [[0, 1]]


def test_short_and_equal_texts():
    assert near_duplicates(["six", "no", "SIX ", "", "no", "", "seven"]) == [[0, 2], [1, 4], [3, 5]]
    assert near_duplicates([]) == []
    # A text that thousands repeat makes one group, in no more time than they take to read.
    assert near_duplicates(["yes please"] * 3000) == [list(range(3000))]


def test_one_of_each_group_stays():
    groups = [[0, 3, 5], [1, 2]]
    assert without_duplicates(groups) == {3, 5, 2}
    assert without_duplicates(groups, [0.1, 0.5, 0.5, 0.9, 0.0, 0.9]) == {0, 5, 2}


def test_similarities_that_would_be_missed_are_refused():
    with pytest.raises(ConfigurationError, match=r"from 0\.5 to 1"):
        near_duplicates(["a"], least=0.3)


def test_receipts_that_were_scanned_twice(shared_data):
    documents = read_dataset(shared_data / "receipts" / "train.jsonl")
    groups = near_duplicates([document.text for document in documents], least=0.9)
    assert 1 <= len(groups) < 40
    for group in groups:
        first = shingles(documents[group[0]].text)
        assert any(similarity(first, shingles(documents[other].text)) >= 0.8 for other in group[1:])
