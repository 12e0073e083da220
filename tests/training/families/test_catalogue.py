"""The families, their sizes, and what they need of a base."""

import pytest

from gateway.errors import ConfigurationError
from training.families import FAMILIES, base_shape, build_student, find_family, student_tokenizer
from training.families.catalogue import MINILM

TEXTS = ["kedai melur 9.00", "tea shop"]


def test_families_span_half_a_million_to_22_million_parameters():
    sizes = [family.parameters for family in FAMILIES.values()]
    assert min(sizes) < 600_000
    assert 22_000_000 < max(sizes) < 23_000_000
    assert {family.kind for family in FAMILIES.values()} == {"transformer", "conv"}
    assert all(name == family.name and family.starts_from for name, family in FAMILIES.items())
    assert all(family.fits(MINILM) for family in FAMILIES.values())


@pytest.mark.parametrize("kind", ["truncated", "narrow", "conv"])
def test_the_count_is_what_a_network_has(tiny_base, tmp_path, small, kind):
    family = small(kind)
    tokenizer = student_tokenizer(family, tiny_base, TEXTS, tmp_path / "tokenizer.json")
    network = build_student(family, tiny_base, 3, seed=0, tokenizer=tokenizer, texts=TEXTS)
    (pieces,) = {len(table.weight) for name, table in network.named_modules() if name.endswith(PIECES[kind])}
    assert sum(weight.numel() for weight in network.parameters()) == family.count(
        base_shape(tiny_base), pieces=pieces, fields=3
    )


PIECES = {"truncated": "word_embeddings", "narrow": "word_embeddings", "conv": "encoder.embeddings"}


def test_computing_leaves_out_tables():
    family = find_family("truncated-6")
    assert family.parameters - family.computing == (30_522 + 512) * 384


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        ("truncated", {"layers": 3}, "3 layers, and the base has 2"),
        ("narrow", {"width": 64, "heads": 2}, "2 heads and 64 channels, and the base 2 and 32"),
        ("narrow", {"width": 24, "heads": 2}, "24 channels, which are not 2 heads of 16"),
        ("conv", {"width": 33}, "33 wide, and the base's embeddings only 32"),
    ],
)
def test_a_base_that_is_too_small_is_refused(tiny_base, small, kind, changes, problem):
    family = small(kind, **changes)
    assert not family.fits(base_shape(tiny_base))
    with pytest.raises(ConfigurationError, match=problem):
        build_student(family, tiny_base, 1, seed=0)


def test_an_unknown_family_is_told_which_there_are():
    with pytest.raises(ConfigurationError, match="no student family 'tiny'; there are: truncated-6, "):
        find_family("tiny")
