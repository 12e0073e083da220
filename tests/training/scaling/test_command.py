"""``cascade scaling``."""

import json

import pytest
from click.testing import CliRunner

from training.cli.scaling import scaling
from training.scaling.law import ScalingLaw

LAW = ScalingLaw(E=0.5, A=20.0, B=60.0, alpha=0.35, beta=0.45)


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.csv"
    rows = [f"{n},{d},{float(LAW.loss(n, d))}" for n in (1e4, 1e5, 1e6, 1e7) for d in (1e5, 1e6, 1e7, 1e8)]
    path.write_text("\n".join(["parameters,tokens,loss", *rows, "1e5,1e6,99"]) + "\n", "utf-8")
    return path


def call(*words):
    return CliRunner().invoke(scaling, [str(word) for word in words])


def test_what_fit_prints_as_json_allocate_reads(points, tmp_path):
    fitted = call("fit", points, "--drop-worst", 1, "--starts", 10, "--bootstrap", 4, "--json")
    assert fitted.exit_code == 0, fitted.output
    found = json.loads(fitted.stdout)
    assert found["points"] == 16
    assert found["alpha"] == pytest.approx(0.35, rel=1e-3)
    assert found["intervals"]["beta"] == pytest.approx([0.45, 0.45], rel=1e-2)
    (tmp_path / "law.json").write_text(fitted.stdout, "utf-8")
    allocated = call("allocate", "--flops", "1e15", "--law", tmp_path / "law.json", "--json")
    assert allocated.exit_code == 0, allocated.output
    best = json.loads(allocated.stdout)["training"]
    assert 6 * best["parameters"] * best["tokens"] == pytest.approx(1e15)
    # The optimum: size and data take their shares of the loss in the ratio of the exponents.
    by_size, by_data = 20 / best["parameters"] ** 0.35, 60 / best["tokens"] ** 0.45
    assert 0.35 * by_size == pytest.approx(0.45 * by_data, rel=1e-2)


def test_fit_prints_a_table(points):
    result = call("fit", points, "--drop-worst", 1, "--starts", 10, "--bootstrap", 4)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("16 points")
    assert [line.split()[0] for line in lines[1:]] == ["E", "A", "B", "alpha", "beta"]
    assert all("95 % interval" in line for line in lines[1:])
    assert "interval" not in call("fit", points, "--drop-worst", 1, "--starts", 10, "--bootstrap", 0).stdout


def test_serving_makes_the_model_smaller_and_saves():
    result = json.loads(call("allocate", "--flops", "4.815915e22", "--inference-tokens", "2e12", "--json").stdout)
    assert result["training"]["parameters"] == pytest.approx(13e9, rel=1e-3)
    assert result["serving"]["parameters"] == pytest.approx(7.12e9, rel=1e-3)
    assert result["serving"]["saved"] == pytest.approx(0.163, abs=1e-3)
    text = call("allocate", "--flops", "4.815915e22", "--inference-tokens", "2e12").stdout
    assert "saves 16.3 % of both" in text
    total = json.loads(call("allocate", "--flops", "1e23", "--inference-tokens", "2e12", "--total", "--json").stdout)
    assert total["total"]["training_flops"] + total["total"]["inference_flops"] == pytest.approx(1e23)


def test_it_says_when_the_law_is_somebody_else_s(points):
    result = call("allocate", "--flops", "1e20")
    assert "published" in result.stderr
    assert "published" not in result.stdout


@pytest.mark.parametrize(
    "words", [["--flops", "0"], ["--flops", "1e20", "--inference-tokens", "-1"], ["--flops", "1e20", "--total"], []]
)
def test_wrong_use(words):
    assert call("allocate", *words).exit_code == 2
