"""Every error this project raises on purpose, with the stable code users can search for.

    CascadeError                        internal            500
    ├── InputError                      bad-request         400
    │   ├── InvalidJson                 invalid-json        400
    │   ├── InvalidRequest              invalid-request     422
    │   ├── EmptyText                   empty-text          422
    │   ├── TextTooLong                 text-too-long       413
    │   ├── BodyTooLarge                body-too-large      413
    │   ├── BatchTooLarge               batch-too-large     413
    │   ├── HeadersTooLarge             headers-too-large   431
    │   ├── MalformedHttp               malformed-http      400
    │   ├── UnsupportedEncoding         unsupported-encoding 415
    │   ├── RequestTimeout              request-timeout     408
    │   ├── Unauthorized                unauthorized        401
    │   ├── Forbidden                   forbidden           403
    │   ├── RateLimited                 rate-limited        429
    │   │   └── BudgetExhausted         budget-exhausted    429
    │   ├── UnknownTask                 unknown-task        404
    │   ├── UnknownField                unknown-field       422
    │   ├── UnknownTier                 unknown-tier        422
    │   ├── UnknownVersion              unknown-version     404
    │   ├── NotCertified                not-certified       422
    │   ├── NotFound                    not-found           404
    │   ├── MethodNotAllowed            method-not-allowed  405
    │   ├── AmbiguousFeedback           ambiguous-feedback  409
    │   ├── AlreadyThere                already-there       409
    │   ├── DatasetError                invalid-dataset     400
    │   │   └── DatasetEncodingError    invalid-encoding    400
    │   └── SeenDocuments               seen-documents      400
    ├── ConfigurationError              configuration       500
    │   ├── HomeNotFound                home-not-found      500
    │   ├── TaskFileError               invalid-task        500
    │   ├── RuleFileError               invalid-rule        500
    │   ├── UpstreamFileError           invalid-upstreams   500
    │   ├── KeyFileError                invalid-keys        500
    │   ├── PolicyError                 invalid-policy      500
    │   └── DirectoryInUse              directory-in-use    500
    ├── ModelError                      model               503
    │   ├── ModelMissing                model-missing       503
    │   ├── ModelCorrupt                model-corrupt       503
    │   └── FetchFailed                 fetch-failed        503
    ├── TierUnavailable                 tier-unavailable    503
    ├── AuditStoreError                 audit-store         503
    ├── MetricsUnavailable              metrics-unavailable 503
    ├── NotReady                        not-ready           503
    ├── Overloaded                      overloaded          503
    ├── TrainingDiverged                training-diverged   500
    ├── ExportRejected                  export-rejected     500
    ├── PromotionRefused                promotion-refused   409
    ├── NotComparable                   not-comparable      409
    └── Interrupted                     interrupted         500

HTTP answers use ``{"error": {"code", "message", "detail"?}}`` with ``status``; the command line prints
``error[code]: message`` and leaves with ``exit_code`` (2 for wrong use, 1 otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CascadeError(Exception):
    """Base of all errors raised on purpose. ``detail`` holds JSON-serialisable facts for the caller."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    #: Seconds after which asking again may help; over HTTP the header ``Retry-After``.
    retry_after: float | None = None

    def __init__(self, message: str, *, detail: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = dict(detail) if detail else None

    def as_json(self) -> dict[str, Any]:
        """The one error shape: ``{"error": {"code", "message", "detail"?}}``."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            body["detail"] = self.detail
        return {"error": body}


class InputError(CascadeError):
    """The caller sent something that cannot be answered."""

    code = "bad-request"
    status = 400
    exit_code = 2


class InvalidJson(InputError):
    """A body or line is not JSON."""

    code = "invalid-json"


class InvalidRequest(InputError):
    """A well-formed body has a wrong field, type or range."""

    code = "invalid-request"
    status = 422


class EmptyText(InputError):
    """A document has no text, or only white space."""

    code = "empty-text"
    status = 422


class TextTooLong(InputError):
    """A document's text is longer than the configured limit."""

    code = "text-too-long"
    status = 413


class BodyTooLarge(InputError):
    """A request body is larger than the configured limit."""

    code = "body-too-large"
    status = 413


class BatchTooLarge(InputError):
    """A batch has more documents than the configured limit."""

    code = "batch-too-large"
    status = 413


class HeadersTooLarge(InputError):
    """A request's line and headers together are larger than the configured limit."""

    code = "headers-too-large"
    status = 431


class MalformedHttp(InputError):
    """What arrived is not HTTP."""

    code = "malformed-http"


class UnsupportedEncoding(InputError):
    """A body is compressed."""

    code = "unsupported-encoding"
    status = 415


class RequestTimeout(InputError):
    """A request did not arrive whole in time."""

    code = "request-timeout"
    status = 408


class Unauthorized(InputError):
    """The service asks for a key, and none that it knows came with the request."""

    code = "unauthorized"
    status = 401


class Forbidden(InputError):
    """The key that came with the request lacks the role for this path."""

    code = "forbidden"
    status = 403


class RateLimited(InputError):
    """The key has made more requests than its rate allows."""

    code = "rate-limited"
    status = 429

    def __init__(self, message: str, *, detail: Mapping[str, Any] | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class BudgetExhausted(RateLimited):
    """What the key may still spend today does not cover the request."""

    code = "budget-exhausted"


class UnknownTask(InputError):
    """No such task in this home."""

    code = "unknown-task"
    status = 404


class UnknownField(InputError):
    """A request names a field the task does not have."""

    code = "unknown-field"
    status = 422


class UnknownTier(InputError):
    """A request names a tier other than rules, student or large."""

    code = "unknown-tier"
    status = 422


class UnknownVersion(InputError):
    """A task has no such version of its models."""

    code = "unknown-version"
    status = 404


class NotCertified(InputError):
    """``strict_quality`` was asked for and the policy certifies no such target."""

    code = "not-certified"
    status = 422


class NotFound(InputError):
    """The service has no such path."""

    code = "not-found"
    status = 404


class MethodNotAllowed(InputError):
    """The path exists, but not for this HTTP method."""

    code = "method-not-allowed"
    status = 405


class AmbiguousFeedback(InputError):
    """Feedback fits several documents of one request; ``id`` would tell which."""

    code = "ambiguous-feedback"
    status = 409


class DatasetError(InputError):
    """A data file has a bad line; the message names the file and the line."""

    code = "invalid-dataset"


class DatasetEncodingError(DatasetError):
    """A data file is in another character encoding than it was read in; the message names line and remedy."""

    code = "invalid-encoding"


class AlreadyThere(InputError):
    """A command would have to overwrite files that people edit; nothing was written."""

    code = "already-there"
    status = 409


class SeenDocuments(InputError):
    """Evaluation or calibration was asked for on documents the task was trained on."""

    code = "seen-documents"


class ConfigurationError(CascadeError):
    """What the operator wrote cannot be used."""

    code = "configuration"


class HomeNotFound(ConfigurationError):
    """There is no ``rules/`` directory where the home should be."""

    code = "home-not-found"
    exit_code = 2


class TaskFileError(ConfigurationError):
    """``task.yaml`` is wrong; the message names the file and the key."""

    code = "invalid-task"


class RuleFileError(ConfigurationError):
    """A rule file is wrong; the message names the file, the rule and the key."""

    code = "invalid-rule"


class UpstreamFileError(ConfigurationError):
    """``upstreams.yaml`` or a task's ``remote.yaml`` is wrong; the message names the file and the key."""

    code = "invalid-upstreams"


class KeyFileError(ConfigurationError):
    """The file of API keys is missing, wrong, or open to others."""

    code = "invalid-keys"


class PolicyError(ConfigurationError):
    """``policy.json`` is wrong or does not belong to this task."""

    code = "invalid-policy"


class DirectoryInUse(ConfigurationError):
    """Another training run works in a directory that this one would write to."""

    code = "directory-in-use"


class ModelError(CascadeError):
    """A model cannot be used."""

    code = "model"
    status = 503


class ModelMissing(ModelError):
    """A model's files, or the packages that run it, are not there."""

    code = "model-missing"


class ModelCorrupt(ModelError):
    """A model's files do not have the digest they should have."""

    code = "model-corrupt"


class FetchFailed(ModelError):
    """No source of a base model answered with the right files."""

    code = "fetch-failed"


class TierUnavailable(CascadeError):
    """A tier that was asked for by name cannot answer now; ``retry_after`` says in how many seconds it may, where that
    is known."""

    code = "tier-unavailable"
    status = 503

    def __init__(
        self, message: str, *, detail: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class AuditStoreError(CascadeError):
    """The audit database cannot be read or written."""

    code = "audit-store"
    status = 503


class MetricsUnavailable(CascadeError):
    """The metrics of a running gateway cannot be had, or are not metrics."""

    code = "metrics-unavailable"
    status = 503


class NotReady(CascadeError):
    """The service cannot answer yet; ``detail`` says what is missing."""

    code = "not-ready"
    status = 503
    retry_after = 5.0


class Overloaded(CascadeError):
    """As many requests as may be are being answered already."""

    code = "overloaded"
    status = 503

    def __init__(self, message: str, *, detail: Mapping[str, Any] | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class TrainingDiverged(CascadeError):
    """A model got worse the longer it was trained, at every learning rate that was tried."""

    code = "training-diverged"


class ExportRejected(CascadeError):
    """An exported model failed its parity check or quality gate; nothing was published."""

    code = "export-rejected"


class PromotionRefused(CascadeError):
    """A version is worse than what is served, or its policy does not fit; what was served is served still."""

    code = "promotion-refused"
    status = 409


class NotComparable(CascadeError):
    """A version cannot be compared with what is served: there are no documents that neither has seen."""

    code = "not-comparable"
    status = 409


class Interrupted(CascadeError):
    """Work was stopped by the user; what was finished is kept and the command resumes."""

    code = "interrupted"


def all_errors() -> list[type[CascadeError]]:
    """Every class of the tree above, parents first."""
    found: list[type[CascadeError]] = []
    pending: list[type[CascadeError]] = [CascadeError]
    while pending:
        cls = pending.pop(0)
        found.append(cls)
        pending.extend(cls.__subclasses__())
    return found
