"""What a training run measured: ``training.json``, the card and the report page.

A run gathers plain data in a :class:`RunReport` and calls :func:`write_report` with the directory that holds the
models. All three files are made from what lies in that directory, so they can be made again without training.
"""

from training.report.facts import calibration_facts, check_facts, data_facts, field_descriptions
from training.report.page import render_page
from training.report.run_report import RunReport
from training.report.validation import validate
from training.report.writing import write_report

__all__ = [
    "RunReport",
    "calibration_facts",
    "check_facts",
    "data_facts",
    "field_descriptions",
    "render_page",
    "validate",
    "write_report",
]
