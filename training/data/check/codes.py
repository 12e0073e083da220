"""Every finding of ``cascade data check``: a code that stays, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


class Code(NamedTuple):
    """How bad a finding is, and what to do. An error must be put right before training."""

    severity: Severity
    remedy: str


#: ``docs/data.md`` describes each.
CODES: Mapping[str, Code] = MappingProxyType(
    {
        "D001": Code("error", "Correct the line: one JSON object with a string text, labels and spans a line."),
        "D002": Code("error", "Write at least some dozens of labelled documents into the file."),
        "D003": Code("error", "Give every document an id of its own, or leave ids out."),
        "D004": Code("error", "Leave out documents without text; there is nothing to find in them."),
        "D005": Code("error", "Label the documents, or pass them to training as --unlabelled."),
        "D010": Code("warning", "Label more: some dozens make a start, some hundreds certify something."),
        "D011": Code("warning", "Label documents that have the field, or leave it out with --fields."),
        "D012": Code("warning", "Label documents with other values: from one value nothing can be told apart."),
        "D013": Code("warning", "Add documents without the field, or declare what null means: absence was never seen."),
        "D014": Code("error", "Rename it: cascade data import jsonl DATA OUT --rename OLD=NEW."),
        "D015": Code("note", "Set window and stride in the recipe, or expect windows to cost time."),
        "D016": Code("note", "Rules read the first 100,000 characters; the models read all of it in windows."),
        "D017": Code("warning", "Choose a multilingual base: those of bases.yaml were trained on English."),
        "D020": Code("warning", "Keep one of each: a copy adds no information, and flatters figures."),
        "D021": Code("note", "They stay together in one part of a split that groups duplicates."),
        "D022": Code("warning", "Settle which label is right; where only context tells, pass it as context."),
        "D023": Code("note", "Serve the context too, and train with it; without it these cannot be told apart."),
        "D030": Code("error", "Make the split again, or take the copies out: figures on them are flattered."),
        "D031": Code("warning", "Look at the pairs; figures on documents much like training documents flatter."),
        "D032": Code("error", "A split belongs to one version of the data: restore the texts, or make a split anew."),
        "D033": Code("note", "They belong to no part; eval and calibrate pass over them."),
        "D040": Code("warning", "Correct the label or the field's type; what is not found is not learned from."),
        "D041": Code("warning", "Correct the offsets: they count code points, the end exclusive."),
        "D042": Code("note", "Alignment takes the spans that are given."),
        "D043": Code("warning", "Correct the values, or give the field the type text in task.yaml."),
        "D044": Code("error", "Write many: true for the field in task.yaml, or keep one value a document."),
        "D045": Code("warning", "Look at these labels: the text holds one such value, and the label says another."),
        "D046": Code("note", "One form is enough: a list where a document may have several values."),
        "D050": Code("note", "Say what null means with null_means in task.yaml."),
        "D051": Code("note", "Say with closed_labels in task.yaml whether a missing label means absent."),
        "D060": Code("error", "Label them, correct their names, or take them out of task.yaml."),
        "D061": Code("note", "Add them to task.yaml if they are to be extracted."),
    }
)


@dataclass(frozen=True)
class Finding:
    """One thing that was found: its code, what was seen, the field it is about, and some of its places."""

    code: str
    message: str
    field: str | None = None
    count: int = 1
    examples: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "field": self.field,
            "message": self.message,
            "count": self.count,
            "examples": list(self.examples),
            "remedy": CODES[self.code].remedy,
        }


@dataclass
class Findings:
    """Findings as they are collected; of each, some examples are kept."""

    most_examples: int = 5
    found: list[Finding] = field(default_factory=list)

    def add(self, code: str, message: str, *, field: str | None = None, examples: list[str] | None = None) -> None:
        """Note a finding that stands in as many places as ``examples`` has (once where there are none)."""
        places = examples or []
        self.found.append(Finding(code, message, field, max(1, len(places)), tuple(places[: self.most_examples])))
