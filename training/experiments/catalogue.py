"""All experiments by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.experiments.batch import BATCH
from training.experiments.ghost import GHOSTS
from training.experiments.jobs import Experiment
from training.experiments.labelling import LABELLING
from training.experiments.pilot import PILOT
from training.experiments.pruning import PRUNING
from training.experiments.scaling import SCALING
from training.experiments.sparse import SPARSE
from training.experiments.together import TOGETHER

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {item.name: item for item in (PILOT, SCALING, BATCH, GHOSTS, PRUNING, LABELLING, SPARSE, TOGETHER)}
)
