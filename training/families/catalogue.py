"""The student families: what each is made of, how many parameters it has, and what it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from transformers import AutoConfig

from gateway.errors import ConfigurationError
from gateway.tiers.large.network import TAGS

#: Word pieces that a vocabulary cut down to what training texts hold has, about: 2,000 single characters and the words
#: that are seen more than once. Only for sizes stated before there is such a vocabulary.
SEEN_PIECES = 4_000
#: Fields a task has where a size is stated without one.
FIELDS = 4


@dataclass(frozen=True)
class Shape:
    """A base's or a student's dimensions. ``pieces``: word pieces; ``heads`` and ``feed_forward``: 0 where it has none;
    ``positions``: rows of its table of positions."""

    layers: int
    width: int
    heads: int
    feed_forward: int
    pieces: int
    positions: int


#: all-MiniLM-L6-v2, from whose weights students start unless a recipe names another base.
MINILM = Shape(layers=6, width=384, heads=12, feed_forward=1536, pieces=30_522, positions=512)


@dataclass(frozen=True)
class Family:
    """One kind of student.

    Args:
        kind: ``transformer``, or ``conv``: dilated convolutions with batch normalisation.
        layers: transformer layers or convolutions.
        width: of the hidden states; ``None``: the base's own, so that its first layers are taken as they are.
        heads: attention heads; 0: the base's own, or a convolution.
        pieces: ``all`` word pieces of the base, or those that are ``seen`` in training texts (and what is needed to
            write any other text); see :mod:`training.families.vocabulary`.
        learning_rate: what suits the family's layers where a recipe does not say; the more is new, the higher.
    """

    name: str
    kind: Literal["transformer", "conv"]
    layers: int
    width: int | None
    heads: int
    pieces: Literal["all", "seen"]
    starts_from: str
    learning_rate: float

    def shape(self, base: Shape = MINILM, pieces: int | None = None) -> Shape:
        """Its dimensions when it starts from ``base``, with ``pieces`` word pieces.

        Raises:
            ConfigurationError: the base is too small for it.
        """
        if pieces is None:
            pieces = base.pieces if self.pieces == "all" else min(base.pieces, SEEN_PIECES)
        if self.kind == "conv":
            width = self.width or base.width
            self._refuse(width > base.width, f"{width} wide, and the base's embeddings only {base.width}")
            return Shape(self.layers, width, 0, 0, pieces, 0)
        self._refuse(self.layers > base.layers, f"{self.layers} layers, and the base has {base.layers}")
        if self.width is None:
            return Shape(self.layers, base.width, base.heads, base.feed_forward, pieces, base.positions)
        self._refuse(
            self.width > base.width or self.heads > base.heads,
            f"{self.heads} heads and {self.width} channels, and the base {base.heads} and {base.width}",
        )
        size = base.width // base.heads
        self._refuse(
            self.width != self.heads * size, f"{self.width} channels, which are not {self.heads} heads of {size}"
        )
        return Shape(
            self.layers, self.width, self.heads, base.feed_forward * self.width // base.width, pieces, base.positions
        )

    def fits(self, base: Shape) -> bool:
        """Whether ``base`` is large enough for it."""
        try:
            self.shape(base)
        except ConfigurationError:
            return False
        return True

    def _refuse(self, wrong: bool, problem: str) -> None:
        if wrong:
            raise ConfigurationError(f"student family {self.name}: it has {problem}")

    def count(self, base: Shape = MINILM, *, pieces: int | None = None, fields: int = FIELDS) -> int:
        """How many parameters it has."""
        shape = self.shape(base, pieces)
        width = shape.width
        head = fields * len(TAGS) * (width + 1)
        if self.kind == "conv":
            # Three positions in, one out, no bias; and a batch normalisation. One more normalisation at the beginning.
            return shape.pieces * width + 2 * width + shape.layers * (3 * width * width + 2 * width) + head
        embeddings = (shape.pieces + shape.positions + 2) * width + 2 * width
        attention = 4 * (width * width + width) + 2 * width
        feed_forward = 2 * width * shape.feed_forward + shape.feed_forward + width + 2 * width
        return embeddings + shape.layers * (attention + feed_forward) + head

    @property
    def computing(self) -> int:
        """The parameters that take part in computing every token: all but tables. A student's capacity goes by them."""
        shape = self.shape()
        return self.count() - (shape.pieces + shape.positions) * shape.width

    @property
    def parameters(self) -> int:
        """How many parameters it has when it starts from MiniLM: exactly with all pieces, about with those seen."""
        return self.count()


def _truncated(layers: int) -> Family:
    return Family(
        f"truncated-{layers}",
        "transformer",
        layers,
        width=None,
        heads=0,
        pieces="all",
        starts_from=f"the base's first {layers} layers, as they are",
        learning_rate=3e-4,
    )


def _narrow(layers: int, width: int, heads: int, pieces: Literal["all", "seen"] = "all") -> Family:
    return Family(
        f"narrow-{layers}x{width}",
        "transformer",
        layers,
        width,
        heads,
        pieces=pieces,
        starts_from=f"the base's first {layers} layers, their best {width} channels fitted to the base's outputs",
        learning_rate=1e-3,
    )


def _conv(layers: int, width: int, pieces: Literal["all", "seen"] = "all") -> Family:
    return Family(
        f"conv-{layers}x{width}",
        "conv",
        layers,
        width,
        heads=0,
        pieces=pieces,
        starts_from="the principal components of the base's token embeddings; convolutions at random",
        learning_rate=3e-3,
    )


#: By name, from the most computing a token to the least within a kind.
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            *(_truncated(layers) for layers in (6, 4, 3, 2)),
            _narrow(6, 256, 8),
            _narrow(4, 256, 8),
            _narrow(4, 192, 6),
            _narrow(3, 128, 4),
            _narrow(2, 96, 3, "seen"),
            _conv(8, 256),
            _conv(6, 128, "seen"),
            _conv(4, 96, "seen"),
        )
    }
)


def find_family(name: str) -> Family:
    """The family of this name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in FAMILIES:
        raise ConfigurationError(f"no student family {name!r}; there are: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def base_shape(directory: Path) -> Shape:
    """The dimensions of a base in ``directory``."""
    config: Any = AutoConfig.from_pretrained(directory)
    return Shape(
        int(config.num_hidden_layers),
        int(config.hidden_size),
        int(config.num_attention_heads),
        int(config.intermediate_size),
        int(config.vocab_size),
        int(config.max_position_embeddings),
    )
