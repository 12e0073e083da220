"""What the fields of a source are called in a task."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from gateway.errors import DatasetError

FIELD_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def task_name_of(name: str) -> str | None:
    """A name for a field as tasks allow it: ``timeRange`` becomes ``time_range``; ``None`` where nothing is left."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    # A capital behind a small letter begins a word.
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    made = re.sub(r"[^a-z0-9-]+", "_", parted.lower()).strip("_-")[:64]
    return made if FIELD_NAME.fullmatch(made) else None


def name_fields(names: Iterable[str], rename: Mapping[str, str]) -> dict[str, str]:
    """Field as the source calls it, to its name in the task.

    Raises:
        DatasetError: a name cannot be made one, two become the same, or ``rename`` names what is not there; the message
            says what to pass.
    """
    found = list(dict.fromkeys(names))
    missing = sorted(set(rename) - set(found))
    if missing:
        raise DatasetError(f"--rename: the source has no field {missing[0]!r}; it has {', '.join(sorted(found))}")
    chosen: dict[str, str] = {}
    for name in found:
        made = rename.get(name) or task_name_of(name)
        if made is None or not FIELD_NAME.fullmatch(made):
            raise DatasetError(
                f"a field cannot be called {rename.get(name, name)!r} (small letters a to z, digits, - and _):"
                f" pass --rename {name!r}=NAME"
            )
        other = next((one for one, taken in chosen.items() if taken == made), None)
        if other is not None:
            raise DatasetError(f"{other!r} and {name!r} would both be called {made}: pass --rename {name!r}=NAME")
        chosen[name] = made
    return chosen
