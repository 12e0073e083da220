"""All checks over one data set, and their report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.split import Split
from gateway.task import TaskSpec
from training.data.check.codes import CODES, Finding, Findings
from training.data.check.duplicates import near_duplicates
from training.data.check.fields import FieldFacts, field_facts, labels_are_closed, task_from_facts
from training.data.check.label_checks import LabelChecks, contradictions
from training.data.check.lengths import Lengths, measure_lengths
from training.data.check.reading import read_leniently
from training.data.check.split_checks import check_split
from training.data.check.value_types import Writing
from training.data.importing.naming import FIELD_NAME, task_name_of

#: With fewer labelled documents nothing strict can be certified, and little learned.
FEW_DOCUMENTS = 50
#: Where a field has values in at least this many documents, one value in all of them is no accident.
_ONE_VALUE = 10
_NON_LATIN = 0.5


@dataclass
class CheckReport:
    """What was found; ``lengths`` is ``None`` where no document could be read."""

    data: str
    documents: int
    fields: dict[str, FieldFacts] = field(default_factory=dict)
    lengths: Lengths | None = None
    writing: Writing = field(default_factory=Writing)
    closed_labels: bool = False
    findings: list[Finding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        options = self.writing.options
        return {
            "data": self.data,
            "documents": self.documents,
            "lengths": self.lengths.as_json() if self.lengths else None,
            "fields": {name: facts.as_json() for name, facts in self.fields.items()},
            "suggested": {
                "day_first": options.day_first,
                "region": options.region,
                "decimal": options.decimal,
                "closed_labels": self.closed_labels,
            },
            "findings": [finding.as_json() for finding in self.findings],
        }

    def render(self) -> str:
        """The report for people."""
        lines = [f"{self.data}: {self.documents} documents"]
        if self.lengths:
            for what, (median, high, most) in (
                ("characters", self.lengths.characters),
                ("tokens (estimated)", self.lengths.tokens),
                ("lines", self.lengths.lines),
            ):
                lines.append(f"  {what:20} median {median}, 95 % up to {high}, most {most}")
            lines.append(f"  longer than a window of {self.lengths.window} tokens: {self.lengths.beyond_window}")
        if self.fields:
            lines.append(
                f"  {'field':24} {'valued':>7} {'null':>7} {'missing':>7} {'values':>7} {'unlike':>7}  suggested"
            )
        for name, facts in self.fields.items():
            kind = f"{facts.evidence.type} ({facts.evidence.reading} of {facts.evidence.values})"
            nearly = ""
            if facts.evidence.nearly:
                kind_nearly, reading = facts.evidence.nearly
                nearly = f", nearly {kind_nearly} ({reading})"
            many = ", many" if facts.many else ""
            lines.append(
                f"  {name:24} {facts.valued:7} {facts.null:7} {facts.missing:7} {facts.values:7} {facts.different:7}"
                f"  {kind}{nearly}{many}"
            )
        for finding in self.findings:
            about = f" [{finding.field}]" if finding.field else ""
            lines.append(f"{finding.code} {finding.severity}:{about} {finding.message}")
            lines += [f"    {example}" for example in finding.examples]
            if finding.count > len(finding.examples) > 0:
                lines.append(f"    and {finding.count - len(finding.examples)} more")
            lines.append(f"    {CODES[finding.code].remedy}")
        counts = Counter(finding.severity for finding in self.findings)
        lines.append(f"{counts['error']} errors, {counts['warning']} warnings, {counts['note']} notes")
        return "\n".join(lines)


def check_file(
    path: Path,
    *,
    task: TaskSpec | None = None,
    split: Split | None = None,
    window: int = 512,
    progress: bool = False,
) -> CheckReport:
    """Check a data file; see :func:`check_documents`.

    Raises:
        DatasetError: there is no such file.
    """
    findings = Findings()
    documents = read_leniently(path, findings)
    report = check_documents(documents, task=task, split=split, window=window, findings=findings, progress=progress)
    report.data = str(path)
    return report


def check_documents(
    documents: Sequence[LabelledDocument],
    *,
    task: TaskSpec | None = None,
    split: Split | None = None,
    window: int = 512,
    findings: Findings | None = None,
    progress: bool = False,
) -> CheckReport:
    """Everything that is conspicuous in labelled documents.

    Args:
        documents: the data.
        task: its fields and types; where there is none, those that the data suggests.
        split: parts to look for leakage between.
        window: tokens that a model reads at once.
        findings: what was found before.
        progress: whether to show a bar with the time left.
    """
    findings = findings or Findings()
    report = CheckReport("", len(documents), findings=findings.found)
    if not documents:
        return report
    report.lengths = measure_lengths([document.text for document in documents], window)
    report.fields, report.writing = field_facts(documents)
    report.closed_labels = labels_are_closed(report.fields)
    spec = task or task_from_facts(report.fields, report.writing)
    _size_and_script(report, findings)
    _fields(report, task, findings)
    checks = LabelChecks(spec)
    for document in tqdm(documents, desc="labels", unit="document", disable=not progress, leave=False):
        checks.look(document)
    checks.report(findings)
    contradictions(documents, spec, findings)
    pairs = near_duplicates([document.text for document in documents])
    _duplicates(documents, pairs, findings)
    if split is not None:
        check_split(documents, split, pairs, findings)
    severities = ("error", "warning", "note")
    findings.found.sort(key=lambda finding: (severities.index(finding.severity), finding.code))
    return report


def _size_and_script(report: CheckReport, findings: Findings) -> None:
    lengths = report.lengths
    if lengths is None:
        return
    if report.documents < FEW_DOCUMENTS:
        findings.add("D010", f"only {report.documents} documents")
    if not any(facts.valued for facts in report.fields.values()):
        findings.add("D005", "no document has a labelled value")
    if lengths.beyond_window:
        findings.add("D015", f"{lengths.beyond_window} documents are longer than {lengths.window} tokens (estimated)")
    if lengths.beyond_rules:
        findings.add("D016", f"{lengths.beyond_rules} documents are longer than rules read")
    if lengths.latin < _NON_LATIN:
        findings.add("D017", f"only {100 * lengths.latin:.0f} % of the letters are Latin")


def _fields(report: CheckReport, task: TaskSpec | None, findings: Findings) -> None:
    for name, facts in report.fields.items():
        if not FIELD_NAME.fullmatch(name):
            made = task_name_of(name)
            findings.add(
                "D014", f"a field cannot be called {name!r}" + (f"; {made} would do" if made else ""), field=name
            )
        if not facts.valued:
            findings.add("D011", "no document has a value of it", field=name)
        elif facts.different == 1 and facts.values >= _ONE_VALUE:
            findings.add("D012", f"all {facts.values} values are {facts.common[0][0][:60]!r}", field=name)
        if facts.listed and facts.single:
            message = f"{facts.listed} labels are lists and {facts.single} are strings"
            findings.add("D046", message, field=name)
        if facts.null and facts.valued:
            findings.add(
                "D050",
                f"{facts.null} of {facts.null + facts.valued} labels are null; the share suggests that null means"
                f" {facts.null_means}",
                field=name,
            )
    missing = [f"{name}: in {facts.missing} documents" for name, facts in report.fields.items() if facts.missing]
    if missing:
        seems = (
            "absent, because nothing is ever null" if report.closed_labels else "not annotated, because others are null"
        )
        findings.add("D051", f"labels are missing; that seems to mean {seems}", examples=missing)
    always = [name for name, facts in report.fields.items() if facts.valued == report.documents]
    if always and report.documents >= FEW_DOCUMENTS:
        findings.add("D013", f"{len(always)} fields have a value in every document", examples=always)
    if task is not None:
        for name in task.fields:
            if name not in report.fields:
                findings.add("D060", f'the task "{task.name}" has the field, and no document labels it', field=name)
        more = [name for name in report.fields if name not in task.fields]
        if more:
            findings.add("D061", f"labels name {len(more)} fields that the task does not have", examples=more)


def _duplicates(
    documents: Sequence[LabelledDocument], pairs: Sequence[tuple[int, int, float]], findings: Findings
) -> None:
    copies: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        copies[document.text].append(document.id)
    equal = [f"{ids[0]} and {', '.join(ids[1:4])}" for ids in copies.values() if len(ids) > 1]
    if equal:
        surplus = sum(len(ids) - 1 for ids in copies.values())
        findings.add("D020", f"{surplus} documents are copies of others ({len(equal)} texts)", examples=equal)
    if pairs:
        shown = [f"{documents[one].id} and {documents[other].id}: {score:.2f} alike" for one, other, score in pairs]
        findings.add("D021", f"{len(pairs)} pairs of documents have nearly the same text", examples=shown)
