"""What docs/students.md says of families is so."""

import ast
import re

import pytest
import yaml

from training.families import FAMILIES
from training.families.building import FITTING_TOKENS
from training.families.catalogue import MINILM, SEEN_PIECES
from training.families.choosing import TOKENS
from training.families.convolution import DILATIONS
from training.families.vocabulary import LEAST_TEXTS
from training.size import parse_size


@pytest.fixture(scope="module")
def page(project_root):
    return (project_root / "docs" / "students.md").read_text("utf-8")


def test_the_table_lists_every_family_as_it_is(page):
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\| `[a-z]+-\d\S*` \| \d+ \| \d+ \|", line)
    ]
    assert rows == [
        [
            f"`{name}`",
            str(family.layers),
            str(family.shape().width),
            f"{family.parameters / 1e6:.1f} M",
            f"{family.computing / 1e6:.1f} M",
            family.starts_from,
        ]
        for name, family in FAMILIES.items()
    ]


def test_figures_in_the_text_are_those_of_the_code(page):
    text = " ".join(page.split())
    assert f"stated for {SEEN_PIECES:,}" in text
    assert f"need {FITTING_TOKENS:,} tokens" in text
    assert f"a text of {TOKENS} tokens" in text
    assert f"at least {LEAST_TEXTS} training texts" in text
    small = sorted(FAMILIES.values(), key=lambda family: family.parameters)
    assert [family.pieces for family in small[:4]] == ["seen", "seen", "seen", "all"]
    assert f"its {MINILM.pieces:,} word pieces" in text
    assert f"{', '.join(map(str, DILATIONS[:-1]))} or {DILATIONS[-1]} tokens away" in text
    reach = {name: sum((DILATIONS * 2)[: FAMILIES[name].layers]) for name in ("conv-8x256", "conv-4x96")}
    assert f"eight layers see {reach['conv-8x256']} tokens on each side, four see {reach['conv-4x96']}" in text


def test_sizes_shown_are_sizes(page):
    for block in re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        parse_size(yaml.safe_load(block)["student"]["size"])
    for line in re.findall(r"`(?:student\.size: )?((?:latency|parameters)=\S+)`", page):
        assert parse_size(line).limited
    for block in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        ast.parse(block)
