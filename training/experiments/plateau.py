"""What all experiments share: which students they train, for how long, and on how many documents they are judged.

Methods must be compared where more training brings little: on the steep part of the learning curve whatever makes more
updates wins. The setting below is the one place for family and epochs; the experiment ``pilot`` says whether it lies on
the plateau. Other experiments name their epochs as multiples of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.families import Family

#: The student and its epochs of an experiment that does not need others.
FAMILY, EPOCHS = "narrow-2x96", 16
#: An experiment whose student must be large enough to be made smaller takes this one.
LARGER_FAMILY = "narrow-3x128-seen"
#: Settings count as on the plateau when twice the epochs bring less than this (points of F1).
GAIN = 0.5
#: Documents of the training part that are withheld from all trainings and judged beside the development part, and the
#: largest share of the training part that they may be.
WITHHELD, WITHHELD_SHARE, WITHHELD_SEED = 1000, 0.2, 20260701


def seen_family(layers: int, width: int, heads: int, name: str = "") -> Family:
    """A narrow student of any size with only the word pieces that are seen, made as those of the catalogue are.

    With all 30,522 pieces most of an update goes to the table, whatever a method saves elsewhere.
    """
    return Family(
        name or f"narrow-{layers}x{width}-seen",
        "transformer",
        layers,
        width,
        heads,
        pieces="seen",
        starts_from=f"the base's first {layers} layers, their best {width} channels fitted to the base's outputs",
        learning_rate=1e-3,
    )


#: Students of experiments that the catalogue does not have, by name. Widths are whole heads of the base.
SEEN: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            seen_family(3, 64, 2),
            seen_family(3, 96, 3),
            seen_family(3, 128, 4),
            seen_family(4, 192, 6),
        )
    }
)
