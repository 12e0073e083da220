"""Importing the types loads no library of theirs; warming up loads what is needed."""

import subprocess
import sys

import pytest

LIBRARIES = ("phonenumbers", "stdnum", "email_validator")
SCRIPT = """
import sys
import gateway.values as values
loaded = {name for name in %r if name in sys.modules}
assert not loaded, loaded
values.warm_up(%r)
print(*sorted(name for name in %r if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("kinds", "loaded"),
    [
        ((), ""),
        (("phone",), "phonenumbers"),
        (("email",), "email_validator"),
        (("iban", "tax-id"), "stdnum"),
        (("date",), ""),
    ],
)
def test_what_is_loaded_when(kinds, loaded):
    script = SCRIPT % (LIBRARIES, kinds, LIBRARIES)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == loaded
