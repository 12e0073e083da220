"""What operators write about remote large models: ``upstreams.yaml`` and a task's ``large/remote.yaml``.

Both are read strictly: an unknown key, a wrong type or a value out of range is an error that names file and key.
Neither holds a secret: an API key is named by the environment variable it stands in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.errors import UpstreamFileError

#: How an upstream is asked for JSON; ``auto`` begins with the strictest and learns from refusals.
Structured = Literal["auto", "json_schema", "json_object_schema", "json_object", "text"]
ConfidenceSource = Literal["auto", "logprobs", "agreement", "prior"]

_NAME = r"^[a-z][a-z0-9_-]{0,31}$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
#: Headers that the client writes itself.
_OWN_HEADERS = {"authorization", "host", "content-length", "content-type", "transfer-encoding", "connection"}

#: A task's file beside those of a local large tier, which it takes precedence over.
TASK_FILE = "remote.yaml"
Seconds = Annotated[float, Field(gt=0, le=3600)]
Money = Annotated[float, Field(ge=0, le=1e6)]
Variable = Annotated[str, Field(pattern=_VARIABLE)]


class _Strict(BaseModel):
    # Numbers may be written as integers, but a string is no number.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TokenPrices(_Strict):
    """What an upstream bills: for 1,000 tokens of prompt and of completion, and for each call."""

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    input_per_1k: Money = 0.0
    output_per_1k: Money = 0.0
    per_call: Money = 0.0

    def amount(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of one call."""
        return (prompt_tokens * self.input_per_1k + completion_tokens * self.output_per_1k) / 1000 + self.per_call


#: What an upstream that states no prices is taken to cost: the order of what hosts bill for an open model of a few
#: billion parameters. A server of one's own is not free because nobody wrote down a price.
ASSUMED_PRICES = TokenPrices(input_per_1k=0.0002, output_per_1k=0.0002)


class Timeouts(_Strict):
    """Seconds for each phase of a call: ``pool`` to wait for a free slot, ``read`` to the answer's first byte and
    between two pieces of it, ``total`` for all of it, so that an answer that trickles is cut off."""

    connect: Seconds = 2.0
    write: Seconds = 5.0
    read: Seconds = 20.0
    pool: Seconds = 5.0
    total: Seconds = 30.0


class BreakerOptions(_Strict):
    """When an upstream is left alone: of at least ``calls`` calls within ``window`` seconds, ``failure_rate`` failed,
    or the last ``calls`` all did.

    After ``open`` seconds one call is let through as a probe, and another each ``open`` seconds while none has
    succeeded. A call that is given up without an answer after ``slow`` seconds counts as failed.
    """

    window: Seconds = 30.0
    calls: int = Field(default=5, ge=1, le=1000)
    failure_rate: float = Field(default=0.5, gt=0, le=1)
    open: Seconds = 2.0
    slow: Seconds = 5.0


class Tls(_Strict):
    """``ca_file``: certificate authorities to trust instead of the system's; ``client_certificate`` and ``client_key``:
    PEM files that prove who calls."""

    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> Self:
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        return self


class Upstream(_Strict):
    """One server with one model.

    ``model`` is the name the server knows; ``weights`` says which model that is, where several servers call the same
    one differently. ``headers_env`` maps header names to environment variables.
    """

    name: str = Field(pattern=_NAME)
    base_url: str
    model: str = Field(min_length=1, max_length=256)
    weights: str | None = Field(default=None, min_length=1, max_length=256)
    api_key_env: Variable | None = None
    headers_env: dict[str, Variable] = {}
    plain_http: bool = False
    proxy_from_environment: bool = False
    prices: TokenPrices = ASSUMED_PRICES
    timeouts: Timeouts = Timeouts()
    concurrency: int = Field(default=8, ge=1, le=4096)
    breaker: BreakerOptions = BreakerOptions()
    tls: Tls = Tls()
    structured: Structured = "auto"
    max_response_bytes: int = Field(default=1024 * 1024, ge=1024, le=64 * 1024 * 1024)

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://api.example.com/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must have no user, password, query or fragment: secrets belong into the environment")
        return value.rstrip("/")

    @field_validator("headers_env")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name[:64]!r} cannot be set as a header")
        return value

    @model_validator(mode="after")
    def _secrets_need_tls(self) -> Self:
        secret = self.api_key_env is not None or bool(self.headers_env)
        if secret and not self.plain_http and self.base_url.startswith("http:") and not _is_loopback(self.base_url):
            raise ValueError("would send secrets over plain http: use https, or set plain_http: true")
        return self

    @property
    def identity(self) -> str:
        """Which model this is."""
        return self.weights or self.model


class Confidence(_Strict):
    """Where a candidate's score comes from.

    ``logprobs``: the tokens' log-probabilities, their ``mean`` or their ``product`` over the value; ``agreement``: how
    many of ``samples`` answers, all but the first drawn at ``temperature``, give the value; ``prior``: a constant.
    ``auto`` takes log-probabilities where they are offered, else agreement where there are samples, else the prior.
    """

    source: ConfidenceSource = "auto"
    aggregate: Literal["mean", "product"] = "mean"
    samples: int = Field(default=1, ge=1, le=16)
    temperature: float = Field(default=0.7, gt=0, le=2)
    prior: float = Field(default=0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _agreement_needs_samples(self) -> Self:
        if self.source == "agreement" and self.samples < 2:
            raise ValueError("agreement needs samples of at least 2")
        return self


class RemoteTask(_Strict):
    """How one task uses upstreams: which, in order of preference, and how they are asked.

    ``deadline`` is the time a document gets where its request has none. ``instructions`` are added to the prompt.
    A document of more than ``max_document_tokens`` is cut; tokens are estimated by ``characters_per_token``, and
    ``expected_completion_tokens`` is for estimating costs beforehand.
    """

    upstreams: tuple[str, ...] = Field(min_length=1)
    instructions: str = Field(default="", max_length=8000)
    seed: int | None = 0
    max_document_tokens: int = Field(default=6000, ge=64, le=1_000_000)
    max_completion_tokens: int = Field(default=512, ge=16, le=65536)
    expected_completion_tokens: int = Field(default=80, ge=1, le=65536)
    characters_per_token: float = Field(default=3.0, ge=0.5, le=10)
    confidence: Confidence = Confidence()
    least_similarity: float = Field(default=90.0, ge=70, le=100)
    retries: int = Field(default=2, ge=0, le=10)
    backoff: Seconds = 0.2
    longest_backoff: Seconds = 5.0
    deadline: Seconds = 60.0

    @field_validator("upstreams", mode="before")
    @classmethod
    def _as_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class _File(_Strict):
    upstreams: list[Upstream] = Field(min_length=1)


_M = TypeVar("_M", bound=BaseModel)


def load_upstreams(path: Path) -> dict[str, Upstream]:
    """Read ``upstreams.yaml``: name to upstream.

    Raises:
        UpstreamFileError: naming the file and the key that is wrong.
    """
    found: dict[str, Upstream] = {}
    for upstream in _read(path, _File.model_validate).upstreams:
        if upstream.name in found:
            raise UpstreamFileError(f"{path}: two upstreams are called {upstream.name!r}")
        found[upstream.name] = upstream
    return found


def remote_path(models: Path) -> Path:
    """Where a task whose models lie in ``models`` says that its large tier is remote."""
    return models / "large" / TASK_FILE


def load_remote_task(path: Path) -> RemoteTask:
    """Read a task's ``large/remote.yaml``.

    Raises:
        UpstreamFileError: naming the file and the key that is wrong.
    """
    return _read(path, RemoteTask.model_validate)


def chosen_upstreams(task: RemoteTask, known: dict[str, Upstream], path: Path, currency: str) -> list[Upstream]:
    """The upstreams a task names, in its order.

    All must run the same model, for one calibration holds for one model, and bill in the task's currency.

    Raises:
        UpstreamFileError: one is not known or named twice, or they do not go together.
    """
    unknown = [name for name in task.upstreams if name not in known]
    if unknown:
        raise UpstreamFileError(f"{path}: no upstream is called {unknown[0]!r}; there are: {', '.join(known)}")
    if len(set(task.upstreams)) != len(task.upstreams):
        raise UpstreamFileError(f"{path}: an upstream is named twice")
    chosen = [known[name] for name in task.upstreams]
    for upstream in chosen:
        if upstream.identity != chosen[0].identity:
            raise UpstreamFileError(
                f"{path}: {chosen[0].name} runs {chosen[0].identity!r} and {upstream.name} {upstream.identity!r}; what"
                " is calibrated with one model says nothing about another (where they are the same, say so by weights)"
            )
        if upstream.prices.currency != currency:
            raise UpstreamFileError(
                f"{path}: {upstream.name} bills in {upstream.prices.currency}, the task counts in {currency}"
            )
    return chosen


def _read(path: Path, validate: Callable[[object], _M]) -> _M:
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
        return validate(raw)
    except OSError as error:
        raise UpstreamFileError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        # Without the input: a secret put in the wrong place must not come out here.
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise UpstreamFileError(f"{path}: {'; '.join(problems[:5])}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise UpstreamFileError(f"{path}: not YAML{where}") from None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
