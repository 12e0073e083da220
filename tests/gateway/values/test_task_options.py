"""What ``task.yaml`` says about writing reaches the comparison of values."""

import pytest

from gateway.errors import TaskFileError
from gateway.task import load_task
from gateway.values import ValueOptions, canonical


def load(tmp_path, *lines):
    path = tmp_path / "notes" / "task.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([*lines, "fields: {number: {type: phone}}"]), "utf-8")
    return load_task(path)


def test_defaults(tmp_path):
    assert load(tmp_path).options == ValueOptions(day_first=True, region=None, decimal=".")


def test_options_of_a_task(tmp_path):
    task = load(tmp_path, "day_first: false", 'region: "GB"', 'decimal: ","')
    assert task.options == ValueOptions(day_first=False, region="GB", decimal=",")
    assert canonical("phone", "020 7946 0958", options=task.options) == "+442079460958"
    assert canonical("number", "1.234", options=task.options) == "1234"


@pytest.mark.parametrize("line", ["region: gb", "region: NO", "region: GBR", "decimal: ';'", "decimal: 1"])
def test_options_that_are_none(tmp_path, line):
    with pytest.raises(TaskFileError, match=line.split(":")[0]):
        load(tmp_path, line)


def test_only_options_that_are_set_change_what_identifies_rules():
    # Digests of rules measured before there were regions stay what they were.
    assert ValueOptions().identity == "True"
    assert ValueOptions(day_first=False).identity == "False"
    assert len({ValueOptions(region=region, decimal=mark).identity for region in (None, "GB") for mark in ".,"}) == 4
