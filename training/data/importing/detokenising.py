"""A text from tokens, with the place of every token in it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.document import Span

_APOSTROPHE = "\u2019"
_CLOSING = frozenset(f",.;:!?%)]}}»”…{_APOSTROPHE}") | {"...", "''", "n't", f"n{_APOSTROPHE}t"}
_OPENING = frozenset("([{«“\u2018$£€#") | {"``"}
#: Written ``'s`` or ``'ll``: the end of a word that was cut off.
_ENDINGS = frozenset({"s", "m", "d", "t", "re", "ve", "ll"})


def detokenise(tokens: Sequence[str], *, spaced: bool = False) -> tuple[str, list[Span]]:
    """One line of text and the offsets of each token in it.

    Every token stands in the text as it is; only the spaces between tokens are made up. None stands before closing
    punctuation and cut-off endings (``'s``, ``n't``) nor behind opening punctuation; straight quotes open and close in
    turn. With ``spaced`` there is a space between any two tokens.
    """
    text = ""
    spans: list[Span] = []
    open_quotes: set[str] = set()
    glue = True
    for token in tokens:
        quote = token in ('"', "'")
        closes = quote and token in open_quotes
        tight = token in _CLOSING or closes or _is_ending(token)
        if not (glue or (tight and not spaced)):
            text += " "
        spans.append((len(text), len(text) + len(token)))
        text += token
        if quote:
            open_quotes ^= {token}
        glue = not spaced and (token in _OPENING or (quote and not closes))
    return text, spans


def _is_ending(token: str) -> bool:
    return token[:1] in ("'", _APOSTROPHE) and token[1:].lower() in _ENDINGS


def locate(tokens: Sequence[str], text: str) -> list[Span] | None:
    """Where tokens stand in a text that is known, one after the other; ``None`` where they do not."""
    spans: list[Span] = []
    position = 0
    for token in tokens:
        start = text.find(token, position)
        if start < 0:
            return None
        position = start + len(token)
        spans.append((start, position))
    return spans
