"""What a server takes of the interface, learnt from what it refuses.

Servers differ in how they can be made to answer in JSON, and in which parameters they accept. A call begins with
everything; a refusal that names a parameter, or a plain 400, leads to the next weaker form, and what at last succeeds
is remembered for the upstream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.tiers.large.remote.configuration import Structured

#: From the strictest form to none at all.
_FORMS: tuple[Structured, ...] = ("json_schema", "json_object_schema", "json_object", "text")
_FORMAT = re.compile(r"response_format|json_schema|json_object")
_TOO_LONG = re.compile(r"context[ _]?(length|window|size)|too (long|many tokens)|maximum.{0,40}tokens", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """What to ask for, whatever the server's dialect.

    ``characters_per_token`` is for estimating what the server does not count.
    """

    fields: tuple[str, ...]
    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any]
    temperature: float
    seed: int | None
    max_tokens: int
    logprobs: bool
    characters_per_token: float


@dataclass(frozen=True)
class Capabilities:
    """The dialect one server is spoken to in."""

    structured: Structured
    fixed: bool = False
    logprobs: bool = True
    seed: bool = True
    temperature: bool = True
    max_tokens: str = "max_tokens"

    @classmethod
    def of(cls, structured: Structured) -> Capabilities:
        """Everything; ``auto`` begins with the strictest form, any other is kept whatever the server says."""
        return cls("json_schema") if structured == "auto" else cls(structured, fixed=True)

    def body(self, call: Call, model: str) -> dict[str, Any]:
        """The body of ``POST /chat/completions``."""
        body: dict[str, Any] = {"model": model, "messages": [dict(message) for message in call.messages]}
        body[self.max_tokens] = call.max_tokens
        if self.temperature:
            body["temperature"] = call.temperature
        if self.seed and call.seed is not None:
            body["seed"] = call.seed
        if self.logprobs and call.logprobs:
            # Some servers give none without being told how many alternatives to show.
            body.update(logprobs=True, top_logprobs=1)
        response_format = self._response_format(call.schema)
        if response_format is not None:
            body["response_format"] = response_format
        return body

    def _response_format(self, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        if self.structured == "json_schema":
            described = {"name": "fields", "strict": True, "schema": dict(schema)}
            return {"type": "json_schema", "json_schema": described}
        if self.structured == "json_object_schema":
            return {"type": "json_object", "schema": dict(schema)}
        return {"type": "json_object"} if self.structured == "json_object" else None

    def weaker(self, status: int, message: str) -> Capabilities | None:
        """What to try after a refusal; ``None`` when the refusal is about something else.

        Args:
            status: of the answer.
            message: its body, or the beginning of it.
        """
        if status not in (400, 422, 501) and not (status >= 500 and _FORMAT.search(message)):
            return None
        if _TOO_LONG.search(message):
            return None
        if _FORMAT.search(message) and (simpler := self._simpler_form()) is not None:
            return simpler
        if "logprobs" in message and self.logprobs:
            return replace(self, logprobs=False)
        if "max_tokens" in message and self.max_tokens == "max_tokens":
            return replace(self, max_tokens="max_completion_tokens")
        if "seed" in message and self.seed:
            return replace(self, seed=False)
        if "temperature" in message and self.temperature:
            return replace(self, temperature=False)
        return self._simpler_form()

    def _simpler_form(self) -> Capabilities | None:
        if self.fixed or self.structured == "text":
            return None
        following: Structured = _FORMS[_FORMS.index(self.structured) + 1]
        return replace(self, structured=following)
