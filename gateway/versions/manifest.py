"""``version.json``: what a version consists of and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import ModelCorrupt, ModelMissing
from gateway.files import write_json

#: The file's name, in a version and beside the models that are served.
MANIFEST = "version.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """One version.

    Attributes:
        task: the task's name.
        name: the version's name.
        created: when it was made, ISO 8601, UTC.
        files: relative POSIX path → SHA-256 in hexadecimal.
        origin: ``training``, or ``served``: it was found in ``models/<task>/`` when another took its place.
        about: what its maker says: ``command``, ``data`` (``{"path", "sha256"}``) and ``validation``, a summary.
        promoted: when it took the place of another; only in ``models/<task>/``.
        previous: which version it took the place of; only in ``models/<task>/``.
    """

    task: str
    name: str
    created: str
    files: Mapping[str, str]
    origin: str = "training"
    about: Mapping[str, Any] = field(default_factory=dict)
    promoted: str | None = None
    previous: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What stands in ``version.json``; what is not known is left out."""
        return {"format": FORMAT, **{key: value for key, value in asdict(self).items() if value is not None}}

    def save(self, directory: Path) -> None:
        """Write ``version.json`` atomically."""
        write_json(directory / MANIFEST, self.as_json())

    @classmethod
    def load(cls, directory: Path) -> Manifest:
        """Read ``version.json``.

        Raises:
            ModelMissing: there is none. ModelCorrupt: it is malformed.
        """
        path = directory / MANIFEST
        try:
            raw = json.loads(path.read_text("utf-8"))
            if raw.pop("format") != FORMAT:
                raise ValueError("another format")
            if not all(isinstance(raw[key], str) for key in ("task", "name", "created")):
                raise ValueError("task, name and created must be strings")
            for name, digest in raw["files"].items():
                if not isinstance(digest, str) or Path(name).is_absolute() or ".." in Path(name).parts:
                    raise ValueError(f"files: {name!r}")
            manifest = cls(**raw)
        except FileNotFoundError as error:
            raise ModelMissing(f"no {MANIFEST} in {directory}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelCorrupt(f"{path}: malformed ({error!r})") from error
        return manifest
