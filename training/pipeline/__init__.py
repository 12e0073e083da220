"""From labelled documents to a task's models, in stages that are each done once."""

from training.pipeline.pipeline import Pipeline
from training.pipeline.split import write_split

__all__ = ["Pipeline", "write_split"]
