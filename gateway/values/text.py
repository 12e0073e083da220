"""Text, as values are compared that have no stricter type."""

from __future__ import annotations

import unicodedata


def fold_text(text: str) -> str:
    """Letters case-folded; commas, full stops and white space ignored (the receipts benchmark's normal form)."""
    folded = _fold_once(text)
    # Dropping a space can let two characters compose; folding again must change nothing.
    while not folded.isascii() and (again := _fold_once(folded)) != folded:
        folded = again
    return folded


def _fold_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char not in ",." and not char.isspace())
