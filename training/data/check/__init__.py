"""Looking at labelled documents before anything is made of them."""

from training.data.check.codes import CODES, Finding
from training.data.check.duplicates import duplicate_groups, near_duplicates
from training.data.check.fields import FieldFacts, field_facts
from training.data.check.run import CheckReport, check_documents, check_file
from training.data.check.value_types import TypeEvidence, Writing, is_value, suggest_type

__all__ = [
    "CODES",
    "CheckReport",
    "FieldFacts",
    "Finding",
    "TypeEvidence",
    "Writing",
    "check_documents",
    "check_file",
    "duplicate_groups",
    "field_facts",
    "is_value",
    "near_duplicates",
    "suggest_type",
]
