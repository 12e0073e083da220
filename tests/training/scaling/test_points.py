"""Reading points of a scaling law."""

import numpy as np
import pytest

from gateway.errors import ConfigurationError, DatasetError
from training.scaling.points import Points, read_points


def write(tmp_path, text):
    path = tmp_path / "points.csv"
    path.write_text(text, "utf-8")
    return path


def test_tokens_or_compute(tmp_path):
    one = read_points(write(tmp_path, "run,parameters,tokens,loss\na,1e6,2e7,3.5\nb,2e6,1e7,3.25\n"))
    other = read_points(write(tmp_path, "loss,Model Size,Training FLOP\n3.5,1e6,1.2e14\n3.25,2e6,1.2e14\n"))
    for name in ("parameters", "tokens", "loss"):
        assert np.allclose(getattr(one, name), getattr(other, name))


def test_the_largest_losses_are_dropped_and_the_order_kept():
    points = Points(*(np.array(values) for values in ([1.0, 2, 3, 4], [5.0, 6, 7, 8], [2.0, 9, 1, 8])))
    assert points.without_worst(2).loss.tolist() == [2.0, 1.0]
    assert points.without_worst(2).parameters.tolist() == [1.0, 3.0]
    assert len(points.without_worst(0)) == 4
    with pytest.raises(ConfigurationError, match="cannot drop 4 of 4"):
        points.without_worst(4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("parameters,loss\n1,2\n", "no column flops"),
        ("tokens,loss\n1,2\n", "no column parameters; there are: tokens, loss"),
        ("parameters,tokens,loss\n", "no points"),
        ("parameters,tokens,loss\n1,2,3\n1,-2,3\n", "line 3: tokens must be a number above 0, found '-2'"),
        ("parameters,tokens,loss\n1,2\n", "line 2: loss"),
        ("parameters,tokens,loss\n1,2,low\n", "found 'low'"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, problem):
    with pytest.raises(DatasetError, match=problem):
        read_points(write(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match=r"absent\.csv"):
        read_points(tmp_path / "absent.csv")


def test_arrays_must_fit_and_be_positive():
    with pytest.raises(ConfigurationError, match="one length"):
        Points(np.ones(2), np.ones(3), np.ones(2))
    with pytest.raises(ConfigurationError, match="loss"):
        Points(np.ones(2), np.ones(2), np.zeros(2))
