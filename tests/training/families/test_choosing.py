"""Which family is chosen for a limit."""

import json

import pytest

from gateway.errors import ConfigurationError
from training.families import FAMILIES, choose, choosing
from training.families.catalogue import Shape
from training.families.latency import LATENCIES, latency

TINY = Shape(layers=2, width=32, heads=2, feed_forward=64, pieces=100, positions=512)
MILLISECONDS = {name: float(number) for number, name in enumerate(reversed(FAMILIES), start=1)}


@pytest.fixture
def machine(monkeypatch):
    """A machine whose latencies are known; what was measured, in order."""
    asked = []

    def measured(name, tokens, fields, **_):
        asked.append((name, tokens, fields))
        return MILLISECONDS[name]

    monkeypatch.setattr(choosing, "latency", measured)
    return asked


def test_without_a_limit_it_is_the_largest():
    assert choose() == "truncated-6"


@pytest.mark.parametrize("limit", [600_000, 1_000_000, 3_000_000, 5_000_000, 16_000_000, 23_000_000])
def test_it_is_the_one_of_most_capacity_that_is_small_enough(limit):
    chosen = FAMILIES[choose(parameters_at_most=limit)]
    assert chosen.parameters <= limit
    assert all(other.parameters > limit or other.computing <= chosen.computing for other in FAMILIES.values())


def test_pieces_and_fields_count():
    # 0.8 million with 4,000 pieces, and too much with more of them.
    assert choose(parameters_at_most=860_000) == "conv-6x128"
    assert choose(parameters_at_most=860_000, pieces=5_000) != "conv-6x128"
    assert choose(parameters_at_most=860_000, fields=400) != "conv-6x128"


def test_it_is_fast_enough_and_nothing_smaller_is_measured(machine):
    chosen = choose(latency_ms=MILLISECONDS["truncated-3"], tokens=64, fields=7)
    assert chosen == "truncated-3"
    assert machine[-1] == ("truncated-3", 64, 7)
    assert {name for name, _, _ in machine} == {
        name for name, family in FAMILIES.items() if family.computing >= FAMILIES["truncated-3"].computing
    }


def test_both_limits_hold(machine):
    chosen = choose(parameters_at_most=9_000_000, latency_ms=MILLISECONDS["narrow-4x192"])
    assert FAMILIES[chosen].parameters <= 9_000_000
    assert MILLISECONDS[chosen] <= MILLISECONDS["narrow-4x192"]


def test_what_cannot_be_is_said(machine):
    with pytest.raises(ConfigurationError, match=r"at most 1,000 parameters: the smallest, conv-4x96, has \d{3},\d{3}"):
        choose(parameters_at_most=1000)
    with pytest.raises(
        ConfigurationError, match=r"at most 0\.5 ms for 128 tokens here: the fastest, conv-4x96, takes 1 ms"
    ):
        choose(latency_ms=0.5)
    with pytest.raises(ConfigurationError, match="a base that is so small"):
        choose(base=Shape(1, 8, 1, 8, 10, 10))


def test_a_small_base_leaves_out_what_it_cannot_start():
    assert choose(base=TINY) == "truncated-2"


def test_a_latency_is_measured_once(tmp_path):
    """With a real export and a real session."""
    found = latency("truncated-2", 16, 2, base=TINY, cache=tmp_path)
    assert 0 < found < 1000
    ((key, kept),) = json.loads((tmp_path / LATENCIES).read_text("utf-8")).items()
    assert kept == found
    assert "truncated-2" in key
    (tmp_path / LATENCIES).write_text(json.dumps({key: 123.0}), "utf-8")
    assert latency("truncated-2", 16, 2, base=TINY, cache=tmp_path) == 123.0
    assert choose(latency_ms=200, tokens=16, fields=2, base=TINY, cache=tmp_path) == "truncated-2"
    assert len(json.loads((tmp_path / LATENCIES).read_text("utf-8"))) == 1
