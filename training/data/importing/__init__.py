"""Labelled documents from the forms that people have into the project's JSON Lines."""

from training.data.importing.formats import FORMATS
from training.data.importing.options import ImportOptions
from training.data.importing.records import SKIP_REASONS, Entity, Record, Skipped
from training.data.importing.run import ImportReport, import_data

__all__ = ["FORMATS", "SKIP_REASONS", "Entity", "ImportOptions", "ImportReport", "Record", "Skipped", "import_data"]
