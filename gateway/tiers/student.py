"""The student tier: a small int8 ONNX tagger, run with onnxruntime and tokenizers alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.document import TierName
from gateway.errors import ModelCorrupt, ModelMissing
from gateway.evaluation.dataset import file_digest
from gateway.task import TaskSpec
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.forms import Forms
from gateway.tiers.model import BATCH_TOKENS, ModelTier
from gateway.tiers.sessions import OnnxTagger
from gateway.tiers.windows import WindowChooser

CONFIG, MODEL, TOKENIZER = "config.json", "model.onnx", "tokenizer.json"


@dataclass(frozen=True)
class TaggerConfig:
    """What a tagger's directory says about it.

    ``digests`` maps each file beside config.json to its SHA-256.
    """

    fields: tuple[str, ...]
    window: int
    stride: int
    pad_id: int
    digests: dict[str, str]
    raw: dict[str, Any]
    context_tokens: int = 0

    @classmethod
    def load(cls, directory: Path) -> TaggerConfig:
        """Read ``config.json``.

        Raises:
            ModelMissing: there is none. ModelCorrupt: it is malformed.
        """
        path = directory / CONFIG
        try:
            raw = json.loads(path.read_text("utf-8"))
            config = cls(
                tuple(raw["fields"]),
                int(raw["window"]),
                int(raw["stride"]),
                int(raw["pad_id"]),
                dict(raw["digests"]),
                raw,
                int(raw.get("context_tokens", 0)),
            )
            # Windows that do not advance would never end, and a file without a digest would go unchecked.
            inside = config.window - 2 - (config.context_tokens + 1 if config.context_tokens else 0)
            if config.context_tokens < 0 or not 0 <= config.stride < inside:
                raise ValueError(f"stride {config.stride} does not fit into window {config.window}")
            if TOKENIZER not in config.digests:
                raise KeyError(f"digests.{TOKENIZER}")
            return config
        except FileNotFoundError as error:
            raise ModelMissing(f"no model in {directory}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelCorrupt(f"{path}: malformed ({error!r})") from error

    def encoder(self, directory: Path) -> TextEncoder:
        """The text encoder with the tokenizer in ``directory``."""
        return TextEncoder(
            directory / TOKENIZER, window=self.window, stride=self.stride, context_tokens=self.context_tokens
        )

    def verify(self, directory: Path) -> None:
        """Check every file against its digest.

        Raises:
            ModelMissing, ModelCorrupt: naming the file.
        """
        for name, digest in self.digests.items():
            path = directory / name
            if not path.is_file():
                raise ModelMissing(f"{path} is missing")
            if file_digest(path) != digest:
                raise ModelCorrupt(f"{path}: its digest is not the one in {CONFIG}")

    def check_fields(self, task: TaskSpec, directory: Path) -> None:
        """Raise ModelCorrupt unless the task has every field the tagger was trained for."""
        unknown = [name for name in self.fields if name not in task.fields]
        if unknown:
            raise ModelCorrupt(f'{directory}: trained for field "{unknown[0]}", which task "{task.name}" does not have')


def version_of(*parts: str) -> str:
    """One digest for everything that shapes a tier's answers."""
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def digests_of(chooser: WindowChooser | None) -> tuple[str, ...]:
    """The part of a version that says which windows are read: none where all are."""
    return () if chooser is None else (chooser.digest,)


def onnx_tagger(model: Path, threads: int, copies: int = 1) -> OnnxTagger:
    """See :class:`gateway.tiers.sessions.OnnxTagger`."""
    return OnnxTagger(model, threads, copies)


def onnx_tier(
    name: TierName,
    directory: Path,
    model: Path,
    task: TaskSpec,
    forms: Forms,
    version: str,
    *,
    threads: int,
    mode: str,
    lanes: int = 1,
    batch_tokens: int = BATCH_TOKENS,
    chooser: WindowChooser | None = None,
) -> ModelTier:
    """A model tier from an ONNX file, with the tokenizer and config in ``directory``, for ``lanes`` callers."""
    config = TaggerConfig.load(directory)
    config.check_fields(task, directory)
    tagger = onnx_tagger(model, threads, lanes)
    return ModelTier(
        name,
        version,
        task,
        config.fields,
        config.encoder(directory),
        tagger,
        forms,
        config.pad_id,
        mode,
        cpu_clock=tagger.cpu_seconds,
        batch_tokens=batch_tokens,
        chooser=chooser,
    )


def load_student(
    directory: Path,
    task: TaskSpec,
    forms: Forms,
    *,
    threads: int = 1,
    lanes: int = 1,
    batch_tokens: int = BATCH_TOKENS,
    chooser: WindowChooser | None = None,
) -> ModelTier:
    """The student of a task from ``models/<task>/student``, its files verified.

    Args:
        threads: CPU threads of one forward pass; 0: onnxruntime decides.
        lanes: forward passes at a time.
        batch_tokens: most padded tokens of one forward pass.

    Raises:
        ModelMissing, ModelCorrupt: it cannot be used.
    """
    config = TaggerConfig.load(directory)
    if MODEL not in config.digests:
        raise ModelCorrupt(f"{directory / CONFIG}: no digest of {MODEL}")
    config.verify(directory)
    version = version_of(config.digests[MODEL], forms.digest, *digests_of(chooser))
    return onnx_tier(
        "student",
        directory,
        directory / MODEL,
        task,
        forms,
        version,
        threads=threads,
        mode=config.raw.get("mode", "int8"),
        lanes=lanes,
        batch_tokens=batch_tokens,
        chooser=chooser,
    )
