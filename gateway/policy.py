"""policy.json: combiners, accept thresholds for each quality target, and the evidence behind them.

Everything is kept for each *chain*: the tiers that take part, in order (``rules``, ``rules+student``,
``student+large``, …). A chain's stages share one threshold a field and target: an answer is accepted at the first
stage whose combiner gives it at least that probability.

What a certified threshold promises: with confidence ``1 − delta`` over the draw of the calibration documents, among the
*present* answers this chain accepts for this field, at most ``1 − target`` are wrong under the field's value type,
for documents drawn like the calibration documents (the same mix of known and new merchants). It says nothing about
other kinds of documents. See ``training.calibrate`` for the test.

A certificate belongs to the models it was measured with, in the numeric mode they ran in. A policy may hold others
beside itself (:attr:`Policy.variants`), one for each combination of modes that ``cascade calibrate`` was run in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gateway.certificates import GroupCertificates, TaskCertificate, group_certificates, task_certificate
from gateway.combine import Combiner
from gateway.document import TIERS, TierName
from gateway.errors import PolicyError
from gateway.files import write_json

FORMAT = 1
_Certificate = TypeVar("_Certificate")
Chain = tuple[TierName, ...]


def chain_name(chain: Iterable[TierName]) -> str:
    """``rules+student`` for ``("rules", "student")``."""
    return "+".join(chain)


def chain_of(name: str) -> Chain:
    """The tiers of a chain named as :func:`chain_name` names it."""
    parts = name.split("+")
    return tuple(tier for tier in TIERS if tier in parts)


def all_chains() -> list[Chain]:
    """Every ordered set of tiers, shortest first."""
    chains = [tuple(tier for bit, tier in enumerate(TIERS) if mask >> bit & 1) for mask in range(1, 8)]
    return sorted(chains, key=len)


@dataclass(frozen=True)
class AbsentThreshold:
    """The threshold for the answer that a field is absent, with its evidence: of ``accepted`` such answers ``errors``
    were wrong, and ``bound`` is the upper bound on their share. One that is not ``certified`` only says from which
    probability on another tier is not asked; the answer stays in review."""

    value: float
    accepted: int
    errors: int
    bound: float
    certified: bool = True


@dataclass(frozen=True)
class Threshold:
    """The accept threshold of one field, chain and target, with its evidence.

    ``accepted`` of ``documents`` calibration documents passed it, ``errors`` of them wrong; ``bound`` is the upper
    Clopper-Pearson bound on the error among accepted. ``certified`` is false when no threshold for values passed the
    test; the value is then only used to decide about escalation, and values stay in review. ``labels_needed`` estimates
    how many labels would certify it. ``absent`` is the certified threshold for accepting that the field is absent,
    which there may be without one for values; without it that is never accepted. ``steer`` stands beside one that is
    not certified: an answer at least as probable is not worth asking the next tier about (without it, ``value`` decides
    that).
    """

    value: float
    certified: bool
    accepted: int
    errors: int
    documents: int
    bound: float
    labels_needed: int | None = None
    absent: AbsentThreshold | None = None
    steer: float | None = None

    def applied(self, *, present: bool) -> float | None:
        """From which probability on an answer of this kind is not passed on to another tier; ``None``: never."""
        if not present:
            return None if self.absent is None else self.absent.value
        return self.value if self.certified or self.steer is None else self.steer

    def settles(self, probability: float, *, present: bool) -> bool:
        """Whether no further tier is asked about an answer of this probability and kind."""
        wanted = self.applied(present=present)
        return wanted is not None and probability >= wanted

    def accepts(self, probability: float, *, present: bool) -> bool:
        """Whether an answer of this probability and kind is accepted."""
        certified = self.certified if present else self.accepts_absence
        return certified and self.settles(probability, present=present)

    @property
    def accepts_absence(self) -> bool:
        """Whether it can be accepted that the field is absent."""
        return self.absent is not None and self.absent.certified


@dataclass(frozen=True)
class TierEstimate:
    """CPU seconds one document costs in a tier: ``base_seconds + seconds_per_character · length``, as measured.

    ``most_characters``: what the tier reads of a document at most; longer ones cost no more. ``None``: not known.
    """

    base_seconds: float
    seconds_per_character: float
    most_characters: int | None = None

    def cpu_seconds(self, characters: int) -> float:
        """Of a text of ``characters`` code points."""
        read = characters if self.most_characters is None else min(characters, self.most_characters)
        return self.base_seconds + self.seconds_per_character * read

    def as_json(self) -> dict[str, float]:
        """As it stands in ``policy.json``, without what is not known."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Policy:
    """Everything the cascade needs to decide, and where it came from.

    ``combiners``: chain (as evidence seen so far) → field → combiner; ``absence``: the same for the answer that a field
    is absent, for fields whose labels say so. ``thresholds``: chain → field → target → threshold. ``versions``:
    ``rules`` → field → digest; ``rule_digests`` → field → rule → digest, in the order they are tried; ``fields`` →
    field → what it is (:func:`gateway.trust.field_identities`); ``student`` and ``large`` → digest; ``modes`` → tier →
    numeric mode. ``estimates``: tier → cost of a document. ``whole``: chain → quality asked for (or ``default``) →
    what is certified of all fields together; ``groups``: chain → field → target → what is certified for new groups.
    ``variants``: the same rules with models in other modes.
    """

    task: str
    combiners: Mapping[str, Mapping[str, Combiner]] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, Mapping[float, Threshold]]] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    estimates: Mapping[str, TierEstimate] = field(default_factory=dict)
    delta: float = 0.05
    about: Mapping[str, Any] = field(default_factory=dict)
    absence: Mapping[str, Mapping[str, Combiner]] = field(default_factory=dict)
    whole: Mapping[str, Mapping[str, TaskCertificate]] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Mapping[float, GroupCertificates]]] = field(default_factory=dict)
    variants: tuple[Policy, ...] = ()

    def measured(self, tier: TierName, version: str | None, mode: str | None) -> bool:
        """Whether it was calibrated with this model in this numeric mode (``None``: not said)."""
        known = (self.versions.get("modes") or {}).get(tier)
        return version == self.versions.get(tier) and (mode is None or known is None or mode == known)

    def for_models(self, models: Mapping[TierName, tuple[str | None, str | None]]) -> Policy:
        """Itself or the variant that was calibrated with most of these models, each a version and a mode."""
        return max(
            (self, *self.variants),  # the first of equals
            key=lambda policy: sum(policy.measured(tier, *model) for tier, model in models.items()),
        )

    def targets(self, chain: Chain, name: str) -> list[float]:
        """The targets that are certified for a field in a chain, ascending."""
        found = self.thresholds.get(chain_name(chain), {}).get(name, {})
        return sorted(target for target, threshold in found.items() if threshold.certified)

    def threshold(self, chain: Chain, name: str, quality: float) -> tuple[float, Threshold] | None:
        """The target that serves ``quality`` and its threshold.

        That is the least certified target not below ``quality``; failing that, the least uncertified one not below it
        (for escalation only); ``None`` when the policy has neither.
        """
        found = self.thresholds.get(chain_name(chain), {}).get(name, {})
        enough = [target for target in sorted(found) if target >= quality - 1e-9]
        for target in enough:
            if found[target].certified:
                return target, found[target]
        return (enough[0], found[enough[0]]) if enough else None

    def stricter(self, chain: Chain, name: str, quality: float) -> tuple[float, Threshold] | None:
        """What serves ``quality`` when the promise of its own threshold is in doubt.

        That is the threshold of the next stricter certified target, still for the target that would serve ``quality``;
        ``None``, so that nothing is accepted, when there is none.
        """
        chosen = self.threshold(chain, name, quality)
        certified = [] if chosen is None else [one for one in self.targets(chain, name) if one > chosen[0] + 1e-9]
        if chosen is None or not certified:
            return None
        return chosen[0], self.thresholds[chain_name(chain)][name][certified[0]]

    def strictest(self, chain: Chain, name: str) -> Threshold | None:
        """The threshold of the highest target there is, certified or not; ``None`` where there is none.

        Where nothing can be accepted it decides which answers are worth asking the next tier about, and nothing else.
        """
        found = self.thresholds.get(chain_name(chain), {}).get(name, {})
        return found[max(found)] if found else None

    def combiner(self, evidence: Chain, name: str) -> Combiner | None:
        """The combiner for a field once exactly the tiers ``evidence`` have answered."""
        return self.combiners.get(chain_name(evidence), {}).get(name)

    def absence_combiner(self, evidence: Chain, name: str) -> Combiner | None:
        """The combiner for the answer that a field is absent, once exactly the tiers ``evidence`` have answered."""
        return self.absence.get(chain_name(evidence), {}).get(name)

    def as_json(self) -> dict[str, Any]:
        """What stands in policy.json."""
        return {
            "format": FORMAT,
            "task": self.task,
            "delta": self.delta,
            "about": dict(self.about),
            "versions": dict(self.versions),
            "estimates": {tier: estimate.as_json() for tier, estimate in self.estimates.items()},
            "thresholds": _by_target_json(self.thresholds),
            "whole": {
                chain: {quality: asdict(certificate) for quality, certificate in found.items()}
                for chain, found in self.whole.items()
            },
            "groups": _by_target_json(self.groups),
            "combiners": _combiners_json(self.combiners),
            "absence": _combiners_json(self.absence),
            **({"variants": [variant.as_json() for variant in self.variants]} if self.variants else {}),
        }

    def save(self, path: Path) -> None:
        """Write policy.json atomically."""
        write_json(path, self.as_json())

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read policy.json.

        Raises:
            PolicyError: missing, malformed, or of another format.
        """
        try:
            raw = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise PolicyError(f"no policy at {path}: `cascade calibrate` makes it") from error
        except (OSError, ValueError, RecursionError) as error:
            raise PolicyError(f"{path}: cannot be read ({error})") from error
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise PolicyError(f"{path}: not a policy of format {FORMAT}")
        try:
            return cls._parse(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PolicyError(f"{path}: malformed ({error!r})") from error

    @classmethod
    def _parse(cls, raw: Mapping[str, Any]) -> Policy:
        policy = cls(
            task=raw["task"],
            combiners=_combiners(raw["combiners"]),
            absence=_combiners(raw.get("absence", {})),
            thresholds=_by_target(raw["thresholds"], _threshold),
            versions=_versions(raw["versions"]),
            estimates={tier: _estimate(estimate) for tier, estimate in raw["estimates"].items()},
            delta=_number(raw["delta"]),
            about=dict(raw["about"]),
            whole={
                chain: {quality: task_certificate(certificate) for quality, certificate in found.items()}
                for chain, found in raw.get("whole", {}).items()
            },
            groups=_by_target(raw.get("groups", {}), group_certificates),
            variants=tuple(cls._parse(variant) for variant in raw.get("variants", ())),
        )
        shared = ("rules", "rule_digests", "fields")  # trust in rules and fields is settled once for all variants
        for variant in policy.variants:
            if variant.task != policy.task or any(
                variant.versions.get(part) != policy.versions.get(part) for part in shared
            ):
                raise ValueError("a variant was calibrated with other rules or fields")
        return policy


# What decides about acceptance is checked when it is read: the string "false" would count as true, and a comparison
# with a string would fail in the middle of a request.


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ValueError(f"expected a number, found {value!r}")
    return value


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"certified: expected true or false, found {value!r}")


def _threshold(raw: Mapping[str, Any]) -> Threshold:
    absent = raw.get("absent")
    threshold = Threshold(**{**raw, "absent": None if absent is None else AbsentThreshold(**absent)})
    if threshold.absent is not None:
        _flag(threshold.absent.certified)
        for number in (threshold.absent.value, threshold.absent.accepted, threshold.absent.errors):
            _number(number)
        _number(threshold.absent.bound)
    if threshold.steer is not None:
        _number(threshold.steer)
    for number in (threshold.value, threshold.accepted, threshold.errors, threshold.documents, threshold.bound):
        _number(number)
    _flag(threshold.certified)
    return threshold


def _by_target_json(certificates: Mapping[str, Mapping[str, Mapping[float, Any]]]) -> dict[str, Any]:
    return {
        chain: {
            name: {f"{target:g}": asdict(certificate) for target, certificate in targets.items()}
            for name, targets in fields.items()
        }
        for chain, fields in certificates.items()
    }


def _by_target(
    raw: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], _Certificate]
) -> dict[str, dict[str, dict[float, _Certificate]]]:
    return {
        chain: {
            name: {float(target): parse(certificate) for target, certificate in targets.items()}
            for name, targets in fields.items()
        }
        for chain, fields in raw.items()
    }


def _combiners_json(combiners: Mapping[str, Mapping[str, Combiner]]) -> dict[str, Any]:
    return {chain: {name: asdict(combiner) for name, combiner in fields.items()} for chain, fields in combiners.items()}


def _combiners(raw: Mapping[str, Any]) -> dict[str, dict[str, Combiner]]:
    return {chain: {name: _combiner(combiner) for name, combiner in fields.items()} for chain, fields in raw.items()}


def _combiner(raw: Mapping[str, Any]) -> Combiner:
    combiner = Combiner(**raw)
    _number(combiner.intercept)
    for weight in combiner.weights.values():
        _number(weight)
    return combiner


def _estimate(raw: Mapping[str, Any]) -> TierEstimate:
    estimate = TierEstimate(**raw)
    if _number(estimate.base_seconds) < 0 or _number(estimate.seconds_per_character) < 0:
        raise ValueError(f"estimates cannot be below 0: {raw!r}")
    most: Any = raw.get("most_characters")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise ValueError(f"most_characters must be a whole number above 0: {raw!r}")
    return estimate


def _versions(raw: Mapping[str, Any]) -> dict[str, Any]:
    versions = dict(raw)
    if not isinstance(versions.get("rules") or {}, dict):
        raise ValueError("versions.rules must be a mapping from field to digest")
    for part in ("fields", "modes"):
        if not isinstance(versions.get(part) or {}, dict):
            raise ValueError(f"versions.{part} must be a mapping")
    by_field = versions.get("rule_digests") or {}
    if not isinstance(by_field, dict) or not all(isinstance(rules, dict) for rules in by_field.values()):
        raise ValueError("versions.rule_digests must be a mapping from field to rule to digest")
    return versions
