"""The service's settings: environment variables with the prefix ``CASCADE_``; ``cascade serve`` has flags for the
common ones.

A flag wins over the environment, and the environment over the default. ``docs/settings.md`` lists the same settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.errors import ConfigurationError

PREFIX = "CASCADE_"
LargeMode = Literal["int8", "bf16", "fp32", "off"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """Everything an operator can set, with why one would."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    home: Path | None = Field(
        None,
        description="Directory with `rules/` and `models/`. Unset: the working directory.",
    )
    cache: Path | None = Field(
        None,
        description="Where fetched base models are kept. Unset: `~/.cache/cascade-gateway`. Set it to share one copy "
        "between users, or where the home directory is small.",
    )
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on. The default answers this machine only: there is no authentication, so put "
        "the service behind something that has one before listening on `0.0.0.0`.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one, and prints it.")
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="HTTP worker processes. One worker runs everything in one process. More share one inference "
        "process, so models are loaded once however many workers there are; raise it when rules, rather than models, "
        "keep one core busy.",
    )
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="CPU threads one forward pass may use in each model tier; 0 lets the runtime take all cores. Set "
        "it to leave cores to the HTTP workers or to other programs.",
    )
    large: LargeMode = Field(
        "int8",
        description="How the large tier computes: `int8` is the fastest on a CPU, `bf16` suits CPUs with native "
        "bfloat16, `fp32` is the reference, `off` does not load it. The policy was measured with one of them: with "
        "another, the large tier's answers decide nothing until `cascade calibrate` has measured it.",
    )
    queue_limit: int = Field(
        64,
        ge=1,
        description="Requests that may wait for one model tier. Beyond it a request is answered at once without that "
        "tier (`degraded`) instead of waiting behind the others. Raise it for bursts, lower it where late answers "
        "are worth nothing.",
    )
    inference_timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds an HTTP worker waits for the inference process to answer before it goes on without the "
        "tier. Raise it for very long texts on slow machines.",
    )
    startup_timeout: float = Field(
        300.0,
        gt=0,
        description="Seconds `cascade serve` waits for the inference process to load its models before it gives up.",
    )
    shutdown_timeout: int = Field(
        10,
        ge=0,
        description="Seconds that requests under way get to finish after SIGTERM or SIGINT.",
    )
    max_body_bytes: int = Field(
        2 * 1024 * 1024,
        ge=1024,
        description="Largest request body. Longer ones are refused with `body-too-large` without being read whole. "
        "Escaped or non-ASCII text takes several bytes a character.",
    )
    max_text_characters: int = Field(
        1_100_000,
        ge=1,
        description="Longest text in Unicode code points. Longer ones are refused with `text-too-long`; lower it to "
        "bound the time of one request.",
    )
    log_level: LogLevel = Field(
        "info",
        description="Least severe log lines written. `debug` adds health checks and scrapes, and the messages of "
        "unexpected errors, which may quote a document; the other levels never log any of a document's text.",
    )

    @classmethod
    def read(cls, **flags: Any) -> Settings:
        """Settings from ``flags`` (``None``: not given), the environment and the defaults.

        Raises:
            ConfigurationError: naming each variable that is wrong.
        """
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            problems = [
                f"{PREFIX}{'.'.join(map(str, item['loc'])).upper()}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            ]
            raise ConfigurationError("; ".join(problems)) from error
