"""Dividing a data set before anything is made from it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evaluation.dataset import LabelledDocument, text_digest
from gateway.evaluation.split import Split
from gateway.task import FieldSpec, TaskSpec
from training.data.split import SplitSizes, group_documents, grouping_fields, make_split
from training.pipeline.split import write_split
from training.recipe import SplitRecipe

PARTS = ["train", "development", "calibration", "validation-seen", "validation-unseen"]


@st.composite
def data_sets(draw):
    """Documents with random shops and addresses (or none), some of them copies of others."""
    rows = draw(
        st.lists(st.tuples(st.integers(0, 12), st.integers(0, 25), st.integers(0, 200)), min_size=1, max_size=80)
    )
    return [
        LabelledDocument(
            str(number),
            # A small number makes a document a copy of an earlier one.
            f"text {copied if copied < number else number}",
            {"shop": f"SHOP {shop}" if shop else None, "address": f"{address} STREET" if address else None},
        )
        for number, (shop, address, copied) in enumerate(rows)
    ]


def divide(documents, seed=0, sizes=None):
    groups = group_documents(documents, ("shop", "address"))
    return groups, make_split(documents, groups, seed, sizes)


def part_of(parts):
    return {identifier: name for name, found in parts.items() for identifier in found}


@given(data_sets(), st.integers(0, 3))
def test_every_document_is_in_one_part_under_its_own_digest(documents, seed):
    _, parts = divide(documents, seed)
    assert list(parts) == PARTS
    assert sum(map(len, parts.values())) == len(documents)
    assert {identifier: digest for found in parts.values() for identifier, digest in found.items()} == {
        document.id: text_digest(document.text) for document in documents
    }


@given(data_sets(), st.integers(0, 3))
def test_no_group_of_validation_unseen_is_in_another_part(documents, seed):
    groups, parts = divide(documents, seed)
    unseen = {groups[identifier] for identifier in parts["validation-unseen"]}
    elsewhere = {groups[identifier] for name in PARTS[:-1] for identifier in parts[name]}
    assert not unseen & elsewhere


@given(data_sets(), st.integers(0, 3))
def test_every_group_of_validation_seen_is_in_train(documents, seed):
    # A large share, so that groups of two are asked for both of their documents.
    groups, parts = divide(documents, seed, SplitSizes(0.1, 0.6, 0.1, 0.05))
    train = {groups[identifier] for identifier in parts["train"]}
    assert {groups[identifier] for identifier in parts["validation-seen"]} <= train


@given(data_sets(), st.integers(0, 3))
def test_copies_of_a_text_stay_together(documents, seed):
    _, parts = divide(documents, seed)
    where = part_of(parts)
    by_text = {}
    for document in documents:
        assert by_text.setdefault(document.text, where[document.id]) == where[document.id]


@given(data_sets(), st.integers(0, 3))
def test_a_seed_fixes_the_parts(documents, seed):
    assert divide(documents, seed) == divide(list(documents), seed)


def numbered(size, shop=lambda number: None):
    return [LabelledDocument(str(number), f"text {number}", {"shop": shop(number)}) for number in range(size)]


def test_another_seed_gives_other_parts():
    documents = numbered(100)
    splits = [part_of(divide(documents, seed)[1]) for seed in range(5)]
    assert len({tuple(sorted(split.items())) for split in splits}) == 5


def test_parts_have_the_sizes_asked_for():
    documents = numbered(200, lambda number: f"SHOP {number // 4}")
    _, parts = divide(documents)
    assert {name: len(found) for name, found in parts.items()} == {
        "train": 104,
        "development": 16,
        "calibration": 40,
        "validation-seen": 20,
        "validation-unseen": 20,
    }
    _, parts = divide(documents, sizes=SplitSizes(0.2, 0.0, 0.5, 0.1))
    assert {name: len(found) for name, found in parts.items()} == {
        "train": 40,
        "development": 20,
        "calibration": 100,
        "validation-seen": 0,
        "validation-unseen": 40,
    }


def test_calibration_is_drawn_from_all_groups_that_are_not_unseen():
    documents = numbered(1000, lambda number: f"SHOP {number % 20}")
    groups, parts = divide(documents, sizes=SplitSizes(largest_unseen_group=0.05))
    shares = Counter(groups[identifier] for identifier in parts["calibration"])
    assert len(shares) == 20 - len({groups[identifier] for identifier in parts["validation-unseen"]})
    assert max(shares.values()) < 3 * min(shares.values())


def test_one_large_merchant_is_not_the_verdict_on_new_ones():
    documents = numbered(100, lambda number: "LARGE" if number < 60 else f"SHOP {number // 2}")
    for seed in range(20):
        groups, parts = divide(documents, seed)
        unseen = Counter(groups[identifier] for identifier in parts["validation-unseen"])
        assert len(unseen) >= 5
        assert max(unseen.values()) <= 2


@pytest.mark.parametrize("size", [10, 12, 20, 49])
def test_a_small_data_set_has_every_part_that_its_groups_allow(size):
    _, parts = divide(numbered(size, lambda number: f"SHOP {number}" if number < size // 2 else "SAME"))
    for name in ("train", "development", "calibration", "validation-unseen"):
        assert parts[name], name


@given(data_sets())
def test_documents_that_share_a_value_or_a_text_share_a_group(documents):
    groups = group_documents(documents, ("shop", "address"))
    first = {}
    for document in documents:
        for mark in (("text", document.text), *document.labels.items()):
            if mark[1] is not None:
                assert groups[document.id] == groups[first.setdefault(mark, document.id)]
    # Numbers are given in order of appearance.
    assert list(dict.fromkeys(groups.values())) == list(range(len(set(groups.values()))))


def test_documents_with_a_shared_value_are_one_group_through_others_too():
    documents = [
        LabelledDocument("a", "1", {"shop": "KEDAI MELUR", "address": "1 STREET"}),
        LabelledDocument("b", "2", {"shop": "Kedai, Melur.", "address": "2 STREET"}),
        LabelledDocument("c", "3", {"shop": "MELATI", "address": "2 street"}),
        LabelledDocument("d", "4", {"shop": None, "address": ""}),
        LabelledDocument("e", "5", {"address": "., "}),
        LabelledDocument("f", "4"),
    ]
    assert group_documents(documents, ("shop", "address")) == {"a": 0, "b": 0, "c": 0, "d": 1, "e": 2, "f": 1}
    assert group_documents(documents, ("shop",)) == {"a": 0, "b": 0, "c": 1, "d": 2, "e": 3, "f": 2}


def test_a_value_of_one_field_is_not_a_value_of_another():
    documents = [LabelledDocument("a", "1", {"shop": "X"}), LabelledDocument("b", "2", {"address": "X"})]
    assert group_documents(documents, ("shop", "address")) == {"a": 0, "b": 1}


def test_fields_that_name_an_origin_group_and_others_do_not():
    task = TaskSpec(
        "notes",
        {
            "shop": FieldSpec("shop", "text"),
            "day": FieldSpec("day", "text"),
            "total": FieldSpec("total", "money"),
            "item": FieldSpec("item", "text", many=True),
        },
    )
    documents = [
        LabelledDocument(
            str(number),
            f"note {number}",
            {
                "shop": f"shop {number // 3}",
                "day": "today" if number % 2 else "tomorrow",
                "total": "9",
                "item": ["tea"],
            },
        )
        for number in range(60)
    ]
    assert grouping_fields(documents, task) == ("shop",)
    assert grouping_fields(documents, task, largest=1.0) == ("shop", "day")


def test_a_recipe_says_how_much_is_calibrated_on(tmp_path):
    documents = [LabelledDocument(str(number), f"text {number}", {"shop": f"S {number}"}) for number in range(200)]
    task = TaskSpec("bills", {"shop": FieldSpec("shop", "text")})
    sizes = []
    for share in (0.2, 0.4):
        write_split(tmp_path / "split.json", task, documents, SplitRecipe(calibration=share), "digest")
        split = Split.load(tmp_path / "split.json")
        sizes.append([len(split.select(documents, part)) for part in ("calibration", "train", "validation-unseen")])
    write_split(tmp_path / "split.json", task, documents, SplitRecipe(development=0.3), "digest")
    assert len(Split.load(tmp_path / "split.json").select(documents, "development")) == 60
    (few, train, unseen), (more, left, same) = sizes
    assert (few, more) == (40, 80)
    assert train - left == 40
    assert unseen == same
