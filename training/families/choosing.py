"""Choosing a student's family by how large or how slow it may be."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import ConfigurationError
from training.families.catalogue import FAMILIES, FIELDS, MINILM, Shape
from training.families.latency import latency

#: Tokens of the text that is timed where nothing else is said: a long request, half a receipt.
TOKENS = 128


def choose(
    *,
    parameters_at_most: int | None = None,
    latency_ms: float | None = None,
    tokens: int = TOKENS,
    fields: int = FIELDS,
    base: Shape = MINILM,
    pieces: int | None = None,
    cache: Path | None = None,
) -> str:
    """The name of the family with the most capacity that stays within the limits; without limits the largest.

    Capacity goes by the parameters that compute every token (:attr:`Family.computing`).

    Args:
        parameters_at_most: tables included.
        latency_ms: median milliseconds of the int8 ONNX file for a text of ``tokens`` tokens, on one thread of this
            machine; measured here, from the largest family downwards until one is fast enough.
        base: what students start from; families for which it is too small are left out.
        pieces: how many word pieces a family that keeps only those seen would have; about 5,000 by default.
        cache: a directory that keeps latencies, so that each is measured once.

    Raises:
        ConfigurationError: no family stays within the limits; the message says what the nearest would need.
    """
    families = sorted(FAMILIES.values(), key=lambda family: -family.computing)
    families = [family for family in families if family.fits(base)]
    if not families:
        raise ConfigurationError("no student family can start from a base that is so small")
    if parameters_at_most is not None:
        sizes = {
            family.name: family.count(base, pieces=pieces if family.pieces == "seen" else None, fields=fields)
            for family in families
        }
        families = [family for family in families if sizes[family.name] <= parameters_at_most]
        if not families:
            smallest = min(sizes, key=lambda name: sizes[name])
            raise ConfigurationError(
                f"no student family has at most {parameters_at_most:,} parameters: the smallest,"
                f" {smallest}, has {sizes[smallest]:,}"
            )
    if latency_ms is None:
        return families[0].name
    measured: dict[str, float] = {}
    for family in families:
        measured[family.name] = latency(family.name, tokens, fields, base=base, cache=cache)
        if measured[family.name] <= latency_ms:
            return family.name
    fastest = min(measured, key=lambda name: measured[name])
    raise ConfigurationError(
        f"no student family takes at most {latency_ms:g} ms for {tokens} tokens here: the fastest, {fastest}, takes"
        f" {measured[fastest]:g} ms"
    )
