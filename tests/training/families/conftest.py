from __future__ import annotations

import pytest

from training.families import Family


@pytest.fixture(scope="session")
def small():
    """Families that a base of two layers, 32 wide, is large enough for."""

    def family(name, **changes):
        known = {
            "truncated": Family("truncated", "transformer", 1, None, 0, "all", "", 1e-3),
            "narrow": Family("narrow", "transformer", 2, 16, 1, "seen", "", 1e-3),
            "conv": Family("conv", "conv", 5, 16, 0, "seen", "", 1e-3),
        }
        return Family(**{**vars(known[name]), **changes})

    return family
