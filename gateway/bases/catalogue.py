"""``models/bases.yaml``: the base models there are, their digests and where they can be had."""

from __future__ import annotations

from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gateway.errors import ConfigurationError
from gateway.home import Home

# One path component: names become file names in the cache.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseFile(_Strict):
    """One file of a base: its size and its SHA-256."""

    bytes: int = Field(gt=0)
    sha256: Digest


class Hub(_Strict):
    """Where the model hub keeps a base."""

    id: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Name = "main"


class Package(_Strict):
    """Packages that carry a base's files.

    Without ``pieces`` the one package holds the files in ``folder``. With them, each package holds one piece of a
    zip archive, in order, and ``folder`` lies in the archive.
    """

    requirements: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+==[0-9][\w.]*$")], ...]
    pieces: tuple[str, ...] = ()
    folder: str

    @model_validator(mode="after")
    def _one_piece_a_package(self) -> Package:
        if len(self.requirements) != (len(self.pieces) or 1):
            raise ValueError("needs one requirement, or one piece a requirement")
        return self


class Base(_Strict):
    """One base model."""

    name: Name
    description: str = ""
    licence: str
    hub: Hub | None = None
    package: Package | None = None
    files: dict[Name, BaseFile] = Field(min_length=1)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


class Usage(_Strict):
    """Names of the bases that serving and training need."""

    serving: tuple[str, ...] = ()
    training: tuple[str, ...] = ()


class Catalogue(_Strict):
    """The whole of ``bases.yaml``."""

    usage: Usage
    bases: dict[Name, Base]

    @model_validator(mode="before")
    @classmethod
    def _name_bases(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("bases"), dict):
            named = {key: {**base, "name": key} for key, base in raw["bases"].items() if isinstance(base, dict)}
            return {**raw, "bases": {**raw["bases"], **named}}
        return raw

    @model_validator(mode="after")
    def _known_names(self) -> Catalogue:
        for name in (*self.usage.serving, *self.usage.training):
            if name not in self.bases:
                raise ValueError(f"usage names {name!r}, which bases does not have")
        return self


def load_catalogue(home: Home) -> Catalogue:
    """Read ``models/bases.yaml``.

    Raises:
        ConfigurationError: missing or wrong; the message names the key.
    """
    path = home.models / "bases.yaml"
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not YAML ({error})") from error
    try:
        return Catalogue.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigurationError(f"{path}: {where}: {first['msg']}") from error


def load_bases(home: Home) -> dict[str, Base]:
    """All bases by name.

    Raises:
        ConfigurationError: as :func:`load_catalogue`.
    """
    return dict(load_catalogue(home).bases)
