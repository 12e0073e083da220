"""Running every tier once over labelled documents, and keeping what they said."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from tqdm import tqdm

import gateway.tiers
from gateway.combine import Answer, answers_of
from gateway.document import Proposal, TierName, TierOutput, Work
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values, is_right
from gateway.evaluation.systems import as_document
from gateway.files import write_text
from gateway.policy import TierEstimate
from gateway.task import TaskSpec
from gateway.tiers.base import Tier
from gateway.tiers.model import FIRST_WINDOWS, LAST_WINDOWS
from gateway.trust import field_identities

log = logging.getLogger(__name__)
#: Different tokens in the windows that a model tier reads of a document at most, with windows of 510 tokens beside the
#: special ones that overlap by 128: the first ones are one stretch, the last ones another.
READ_TOKENS = (FIRST_WINDOWS + LAST_WINDOWS) * (510 - 128) + 2 * 128


@dataclass(frozen=True)
class Observed:
    """A labelled document and every tier's output for it."""

    document: LabelledDocument
    outputs: Mapping[TierName, TierOutput]

    def answers(self, tier: TierName, task: TaskSpec, name: str) -> list[Answer]:
        """The answers a tier proposes for a field."""
        return answers_of(self.outputs[tier].proposals.get(name), task.fields[name].many)

    def judge(self, answer: Answer, task: TaskSpec, name: str) -> bool | None:
        """Whether an answer is what the labels say; ``None`` when the document is not annotated for the field.

        Where the labels say that the field is absent every answer is wrong.
        """
        expected = expected_values(task, self.document, name)
        return None if expected is None else is_right(task, name, expected, [item.value for item in answer.candidates])


def observe(
    tiers: Mapping[TierName, Tier], documents: Sequence[LabelledDocument], task: TaskSpec, kept: Path | None = None
) -> list[Observed]:
    """Run every tier on every document, one at a time, so that the work measured is that of a single request.

    With ``kept`` (a directory) outputs are kept and not computed twice, as long as nothing changes that they depend
    on: the tier's version, the task's fields and how their values are read, this software's tiers and values, and all
    that is known of a document.
    """
    outputs: list[dict[TierName, TierOutput]] = [{} for _ in documents]
    for name, tier in tiers.items():
        path = kept / f"{name}-{_made_by(tier, task)}.jsonl" if kept else None
        known = _read(path) if path else {}
        for index, document in enumerate(
            tqdm(documents, desc=f"running {name}", unit="document", mininterval=5, disable=None)
        ):
            key = _input(document)
            if key not in known:
                known[key] = tier.propose([as_document(document)], tuple(task.fields))[0]
            outputs[index][name] = known[key]
        if path:
            lines = [
                json.dumps(
                    {
                        "text": key,
                        "proposals": {field: proposal.as_json() for field, proposal in output.proposals.items()},
                        "work": asdict(output.work),
                    }
                )
                for key, output in known.items()
            ]
            write_text(path, "\n".join(lines) + "\n")
    return [Observed(document, output) for document, output in zip(documents, outputs, strict=True)]


def _made_by(tier: Tier, task: TaskSpec) -> str:
    """What an output depends on beside the document, as 16 hexadecimal digits."""
    parts = [tier.version, json.dumps(field_identities(task), sort_keys=True), _software()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _software() -> str:
    """A digest of the code between a text and a tier's output."""
    root = Path(gateway.tiers.__path__[0]).parent
    digest = hashlib.sha256((root / "document.py").read_bytes())
    for package in ("tiers", "values"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _input(document: LabelledDocument) -> str:
    """All that tiers may read of a document, as 16 hexadecimal digits."""
    known = as_document(document)
    raw = [known.text, known.context, known.lines, known.reference_date, known.locale]
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, TierOutput]:
    known: dict[str, TierOutput] = {}
    if not path.is_file():
        return known
    for line in path.read_text("utf-8").splitlines():
        try:
            raw = json.loads(line)
            proposals = {field: Proposal.from_json(proposal) for field, proposal in raw["proposals"].items()}
            known[raw["text"]] = TierOutput(proposals, Work(**raw["work"]))
        except (ValueError, KeyError, TypeError):
            log.warning("%s: a damaged line is computed again", path)
    return known


def estimate_costs(observed: Sequence[Observed]) -> dict[str, TierEstimate]:
    """CPU seconds of a document as a line over its length, for each tier (non-negative least squares).

    The line of a model tier ends where its reading does: :data:`READ_TOKENS` tokens of these documents' length.
    """
    estimates: dict[str, TierEstimate] = {}
    if not observed:
        return estimates
    lengths = np.array([len(item.document.text) for item in observed], dtype=float)
    for name in observed[0].outputs:
        seconds = np.array([item.outputs[name].work.cpu_seconds for item in observed])
        (base, slope), _ = nnls(np.stack([np.ones_like(lengths), lengths], axis=1), seconds)
        tokens = sum(item.outputs[name].work.tokens for item in observed)
        # Rules read everything. Where a tier counts no tokens, the gateway takes its own bound (gateway.cost.model).
        most = max(1, round(READ_TOKENS * lengths.sum() / tokens)) if tokens and name != "rules" else None
        estimates[name] = TierEstimate(float(base), float(slope), most)
    return estimates
