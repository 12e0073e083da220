"""What to do about a line that is no YAML: nearly always a pattern or a text that wants quotes."""

from __future__ import annotations

import re

#: A key with what is written behind it, up to a comment.
_VALUE = re.compile(r"""^\s*(?:-\s+)*(?P<key>[\w-]+):\s+(?P<value>[^\s'"|>].*?)\s*(?:\s#.*)?$""")
_QUOTED = re.compile(r"""^\s*(?:-\s+)*[\w-]+:\s+['"]""")
_BRACES = re.compile(r"(?<!['\"\w}])\{\{\s*(?P<name>[a-z][a-z0-9_-]*)\s*\}\}")
#: What means something to YAML where a value begins.
_SPECIAL = "[]{},&*!%@`?|>-#"


def yaml_advice(message: str, written: str) -> str:
    """What to write instead in the line ``written``, of which YAML's reader says ``message``; ``""`` where unknown."""
    if "unknown escape character" in message:
        return "in double quotes a backslash is YAML's own: write patterns in single quotes"
    if "end of stream" in message and "quoted" in message:
        return "the quote that begins here is not closed; inside single quotes a quote is written twice: 'it''s'"
    quoted = _QUOTED.match(written)
    if not quoted and (braces := _BRACES.search(written)):
        return f"a name of the library wants quotes: '{{{{{braces['name']}}}}}'"
    if "flow" in message:
        return "between { } and [ ], a text with any of , : { } [ ] # wants quotes: single ones for patterns"
    found = _VALUE.match(written)
    if found is None:
        if quoted and "expected key" in message:
            return "the text ends at its second quote; inside single quotes a quote is written twice: 'it''s'"
        return ""
    key, value = found["key"], found["value"]
    if ": " in value or value.endswith(":"):
        return f"a text with a colon wants quotes: {key}: '{_shortened(value)}'"
    if value[0] in _SPECIAL:
        return f"a text that begins with {value[0]} wants quotes: {key}: '{_shortened(value)}'"
    return ""


def _shortened(value: str) -> str:
    value = value.replace("'", "''")
    return value if len(value) <= 40 else f"{value[:40]}…"
