"""What a remote tier is, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from gateway.task import TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.remote import prompt
from gateway.tiers.large.remote.configuration import RemoteTask, Upstream
from gateway.tiers.large.remote.grounding import GROUNDING_VERSION
from gateway.tiers.large.remote.reading import UNGROUNDED_SHARE


def version_of(task: TaskSpec, remote: RemoteTask, chosen: Sequence[Upstream], forms: Forms) -> str:
    """The digest of what shapes a remote tier's answers, as far as this side knows."""
    said: dict[str, Any] = {
        "model": chosen[0].identity,
        "structured": sorted({upstream.structured for upstream in chosen}),
        "prompt": [prompt.PROMPT_VERSION, task.description or task.name, remote.instructions],
        "schema": prompt.answer_schema(task, tuple(task.fields)),
        "types": {name: spec.type for name, spec in task.fields.items()},
        "values": task.options.identity,
        "decoding": [
            remote.seed,
            remote.max_completion_tokens,
            remote.max_document_tokens,
            remote.characters_per_token,
        ],
        "confidence": remote.confidence.model_dump(mode="json"),
        "grounding": [GROUNDING_VERSION, remote.least_similarity, UNGROUNDED_SHARE],
        "forms": forms.digest,
    }
    return "sha256:" + hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
