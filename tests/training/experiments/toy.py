"""Student families for the tests' base."""

from training.families import Family


def tiny(name, kind="transformer", layers=2, width=32, heads=2):
    """A family that a base of two layers, 32 wide, is large enough for."""
    return Family(name, kind, layers, width, heads, "seen", "", 5e-3)
