"""What policy.json certifies beyond single fields: the values of a whole request, and new groups (merchants, authors).

Both are about thresholds that are served, were found by the tests of :mod:`training.calibrate.thresholds`, and decide
nothing themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The key of :attr:`gateway.policy.Policy.whole` for a request that names no quality: each field at its own target.
DEFAULT = "default"


@dataclass(frozen=True)
class TaskCertificate:
    """Of all values that a chain accepts, of all fields taken together, at least ``target`` are right.

    ``target`` is ``None`` where none was certified. ``accepted`` values of ``documents`` calibration documents passed
    their field's threshold, ``errors`` of them wrong; ``fields`` shared the confidence. ``labels_needed`` estimates how
    many labelled documents would certify the quality asked for, for all fields together; ``None`` where it is certified
    or where no number would do.
    """

    target: float | None
    fields: int
    accepted: int
    errors: int
    documents: int
    labels_needed: int | None = None


@dataclass(frozen=True)
class GroupCertificate:
    """On average over groups drawn like these, at least ``target`` of a group's accepted values are right.

    ``groups`` have an accepted value, ``with_errors`` of them a wrong one; ``error`` is the mean over them of the share
    that is wrong. ``target`` is ``None`` where none was certified.
    """

    target: float | None
    groups: int
    with_errors: int
    error: float


@dataclass(frozen=True)
class GroupCertificates:
    """For one threshold: over all groups of the calibration documents, and over those among them that no rule or model
    has seen (``unseen``)."""

    every: GroupCertificate
    unseen: GroupCertificate


def _numbers(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in raw.items():
        if value is None and key in ("target", "labels_needed"):
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise ValueError(f"{key}: expected a number, found {value!r}")
    return raw


def task_certificate(raw: Mapping[str, Any]) -> TaskCertificate:
    """Check one decoded JSON object and make a certificate of it.

    Raises:
        ValueError, TypeError: it is none.
    """
    return TaskCertificate(**_numbers(raw))


def group_certificates(raw: Mapping[str, Any]) -> GroupCertificates:
    """As :func:`task_certificate`, for groups."""
    return GroupCertificates(**{which: GroupCertificate(**_numbers(raw[which])) for which in ("every", "unseen")})
