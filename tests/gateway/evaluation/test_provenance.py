import subprocess
import sys

import pytest

import gateway
from gateway.evaluation.provenance import command_line, hardware, usable_cores, versions


def test_hardware_is_named():
    found = hardware()
    assert found["cpu"]
    assert found["cores"] == usable_cores() >= 1


def test_versions_name_what_computes():
    found = versions()
    assert found["gateway"] == gateway.__version__
    assert found["python"].count(".") == 2
    assert "onnxruntime" in found


def test_torch_is_named_only_where_it_is_in_use():
    code = "import gateway.evaluation.provenance as p; print('torch' in p.versions())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/usr/bin/cascade", "eval", "receipts", "my data.jsonl"], "cascade eval receipts 'my data.jsonl'"),
        (["/lib/gateway/__main__.py", "eval", "x"], "cascade eval x"),
    ],
)
def test_the_command_can_be_typed_again(argv, command):
    assert command_line(argv) == command
