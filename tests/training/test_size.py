"""What ``student.size`` asks for."""

from pathlib import Path

import numpy as np
import pytest

from gateway.errors import ConfigurationError
from training.families import FAMILIES
from training.families.catalogue import MINILM
from training.scaling.law import ScalingLaw
from training.size import DEFAULT, Size, parse_size, points_of, resolve_size


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Size()),
        ("auto", Size("auto")),
        ("auto within=2%", Size("auto", within=0.02)),
        ("conv-4x96", Size("conv-4x96")),
        ("latency=3", Size(latency=3.0)),
        ("parameters=5e6 tokens=300", Size(parameters=5_000_000, tokens=300)),
        ("latency=2.5 parameters=1000000", Size(latency=2.5, parameters=1_000_000)),
    ],
)
def test_lines(line, expected):
    assert parse_size(line) == expected


@pytest.mark.parametrize(
    "line", ["huge", "latency", "latency=0", "latency=quick", "size=3", "auto auto", "auto within=-1", "tokens=1"]
)
def test_a_wrong_line_is_refused(line):
    with pytest.raises(ConfigurationError):
        parse_size(line)


@pytest.fixture
def resolve(monkeypatch):
    """As for a base of MiniLM's dimensions."""
    monkeypatch.setattr("training.size.base_shape", lambda _directory: MINILM)

    def resolve(line, layers=6, **more):
        return resolve_size(parse_size(line), Path("none"), 2, tokens=1e6, layers=layers, **more)

    return resolve


def test_without_a_size_the_layers_of_the_recipe_hold(resolve):
    assert resolve("") == ("", {})


def test_a_family_is_taken_as_named(resolve):
    name, facts = resolve("conv-4x96", pieces=50)
    assert (name, facts["family"]) == ("conv-4x96", "conv-4x96")
    # Its table has the pieces that were seen.
    assert facts["parameters"] == FAMILIES["conv-4x96"].count(pieces=50, fields=2)


def test_limits_take_the_family_with_the_most_capacity_within_them(resolve):
    sizes = {
        name: family.count(pieces=50 if family.pieces == "seen" else None, fields=2)
        for name, family in FAMILIES.items()
    }
    limit = sorted(sizes.values())[len(sizes) // 2]
    name, facts = resolve(f"parameters={limit}", pieces=50)
    assert facts["parameters"] == sizes[name] <= limit
    within = [FAMILIES[one].computing for one, size in sizes.items() if size <= limit]
    assert FAMILIES[name].computing == max(within)
    assert facts["limits"]["parameters"] == limit
    with pytest.raises(ConfigurationError, match="no student family has at most 3 parameters"):
        resolve("parameters=3")


def test_a_family_that_the_base_is_too_small_for_is_refused(tiny_base):
    with pytest.raises(ConfigurationError, match="conv-4x96"):
        resolve_size(parse_size("conv-4x96"), tiny_base, 2, tokens=1e6, layers=2)


def test_auto_without_measured_runs_is_a_stated_default(resolve):
    name, facts = resolve("auto")
    assert name == DEFAULT
    assert facts["auto"].startswith("no measured runs")
    assert points_of("no-such-task") is None


def test_auto_takes_the_largest_where_the_base_is_too_small_for_the_default(tiny_base):
    # The tiny base has two layers.
    assert resolve_size(parse_size("auto"), tiny_base, 2, tokens=1e6, layers=2)[0] == "truncated-2"


def test_auto_takes_the_smallest_that_the_law_predicts_to_be_good_enough(resolve, tmp_path):
    """Where size hardly matters a small student is enough; where it matters, nothing but the default is."""
    path = tmp_path / "points.csv"
    parameters, tokens = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e4, 1e7, 5), np.geomspace(1e5, 1e8, 5)))
    chosen = {}
    for what, law in (
        ("data", ScalingLaw(A=1e-3, B=2000.0, E=0.1, alpha=0.5, beta=0.5)),
        ("size", ScalingLaw(A=2000.0, B=1e-3, E=0.1, alpha=0.5, beta=0.5)),
    ):
        rows = zip(parameters, tokens, law.loss(parameters, tokens), strict=True)
        path.write_text("parameters,tokens,loss\n" + "\n".join(f"{n},{d},{loss}" for n, d, loss in rows), "utf-8")
        chosen[what], facts = resolve("auto", layers=6, points=path)
        assert facts["law"]["E"] == pytest.approx(0.1, rel=0.2)
        assert facts["predicted_loss"] <= 1.01 * facts["predicted_loss_of_default"]
        # More may be given away: never a larger student for it.
        wider, _ = resolve("auto within=30%", layers=6, points=path)
        assert FAMILIES[wider].computing <= FAMILIES[chosen[what]].computing
    transformers = [family for family in FAMILIES.values() if family.kind == "transformer"]
    assert FAMILIES[chosen["data"]] == min(transformers, key=lambda family: family.computing)
    assert chosen["size"] == "truncated-6"
