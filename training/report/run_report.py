"""What a training run measured, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.files import write_json

#: The file's name, beside a task's models.
TRAINING = "training.json"
FORMAT = 2


@dataclass(frozen=True)
class RunReport:
    """One training run. Every value is what JSON can hold; what is not known is left empty.

    Attributes:
        task: the task's name.
        command: the command that ran, as one would type it again.
        created: when the run ended, ISO 8601, UTC.
        fields: field → ``{"type", "many"}`` (:func:`training.report.field_descriptions`).
        hardware: as :func:`training.card.hardware` gives it.
        stage_seconds: stage → wall seconds, in the order they were done.
        training_hours: of all stages and of every attempt.
        data: see :func:`training.report.data_facts`.
        check: see :func:`training.report.check_facts`; ``None`` where the data was not checked.
        alignment: field → how its values were found (``given``, ``exact``, …, ``missing``) → number.
        windows: field → ``{"values", "reached", "read"}``, where windows of long documents are chosen.
        bases: base → ``{"licence", "hub"}``.
        large: ``{"history": [epoch, …]}``; ``None`` where none was trained. An epoch is ``{"epoch", "loss",
            "seconds"}``, with ``f1`` (``{"micro", field, …}`` on the development part, 0 to 100) where it was measured,
            and ``undone`` where it was.
        student: the same, with ``export`` (an :class:`training.export.ExportReport`), ``examples`` and ``parameters``.
        calibration: see :func:`training.report.calibration_facts`.
        validation: part → what :func:`training.report.validate` says of it.
    """

    task: str
    command: str = ""
    created: str = ""
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    training_hours: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)
    check: Mapping[str, Any] | None = None
    alignment: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    windows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    large: Mapping[str, Any] | None = None
    student: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What stands in ``training.json``."""
        return {"format": FORMAT, **asdict(self)}

    def save(self, directory: Path) -> None:
        """Write ``training.json`` atomically."""
        write_json(directory / TRAINING, self.as_json())

    @classmethod
    def load(cls, directory: Path) -> RunReport:
        """Read ``training.json``, also that of a version before this one, which says less.

        Raises:
            ConfigurationError: it is missing, or no such file.
        """
        path = directory / TRAINING
        try:
            raw = json.loads(path.read_text("utf-8"))
            known = {one.name for one in fields(cls)}
            return cls(**{key: value for key, value in raw.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path}: not the report of a training run ({error})") from error
