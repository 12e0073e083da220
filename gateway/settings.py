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
Access = Literal["open", "admin"]


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
        description="Address to listen on. The default answers this machine only: set `CASCADE_KEYS`, or put the "
        "service behind something that has authentication, before listening on `0.0.0.0`.",
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
    reload: bool = Field(
        True,
        description="Whether edits of rules, `task.yaml` and `policy.json` take effect while the service runs. Turn it "
        "off where the home never changes, or a change must wait for a restart.",
    )
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="CPU threads one forward pass may use in each model tier. 0: one for the student, and for the "
        "large tier half of its share but at most four. More make one answer faster and all answers together slower.",
    )
    student_threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="CPU threads the student may keep busy with all its forward passes together; 0: as many as this "
        "process may use, by its affinity and its container's quota. Set it to leave cores to other programs.",
    )
    large_threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="The same for the local large tier. Lower it where long answers of the large tier must not slow "
        "the student down.",
    )
    batch_tokens: int = Field(
        256,
        ge=8,
        description="Padded tokens of one forward pass; longer texts pass alone. On a CPU longer batches gain nothing, "
        "make the first text wait for the last, and shift int8 scores a little; raise it where texts are short and "
        "many.",
    )
    batch_wait_ms: float = Field(
        2.0,
        ge=0,
        le=1000,
        description="Milliseconds a batch with room left may wait for company. It never waits while requests come more "
        "slowly than that, so an idle service answers at once. 0: never.",
    )
    model_nice: int = Field(
        5,
        ge=0,
        le=19,
        description="How much less the operating system favours the student's threads than those that answer HTTP, "
        "as `nice` counts; twice as much for the large tier. It keeps answers from rules fast while models keep every "
        "core busy.",
    )
    model_poll_seconds: float = Field(
        2.0,
        ge=0,
        description="Seconds between looks at the model files. What changed is loaded beside what is in use and "
        "swapped in without a gap. 0: only at SIGHUP.",
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
        description="Requests that may wait for one model tier. Beyond it a request that may need the student is "
        "refused (`overloaded`), and one that needs the large tier is answered at once without it (`degraded`). Raise "
        "it for bursts, lower it where late answers are worth nothing.",
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
    drain_seconds: float = Field(
        1.0,
        ge=0,
        description="Seconds after SIGTERM during which `/readyz` says no and requests are still taken. Set it to the "
        "time your load balancer needs to notice; SIGINT skips it.",
    )
    max_body_bytes: int = Field(
        2 * 1024 * 1024,
        ge=1024,
        description="Largest request body. Longer ones are refused with `body-too-large` without being read whole. "
        "Escaped or non-ASCII text takes several bytes a character.",
    )
    max_batch_bytes: int = Field(
        16 * 1024 * 1024,
        ge=1024,
        description="Largest body of a batch. A batch is held in memory while it is answered.",
    )
    max_batch_documents: int = Field(
        1000,
        ge=1,
        description="Most documents in one batch. Beyond it the batch is refused with `batch-too-large`.",
    )
    batch_concurrency: int = Field(
        4,
        ge=1,
        le=256,
        description="Documents of one batch that are answered at the same time. Raise it where batches have the "
        "service to themselves, lower it so that they leave more to single requests.",
    )
    max_requests: int = Field(
        128,
        ge=1,
        description="Extraction requests one worker answers at the same time, waiting included. Beyond it a request is "
        "refused at once with `overloaded`. Raise it for bursts, lower it to bound memory and waiting.",
    )
    max_requests_machine: int = Field(
        512,
        ge=1,
        description="The same limit for all workers together.",
    )
    max_connections: int = Field(
        900,
        ge=1,
        description="Open connections one worker accepts. Beyond it a connection is answered with `overloaded` and "
        "closed. The limit of open files (`ulimit -n`) is raised to fit as far as the system allows; where it does "
        "not, the log says so.",
    )
    max_header_bytes: int = Field(
        16 * 1024,
        ge=256,
        description="Largest request line and headers together. Beyond it: `headers-too-large`.",
    )
    header_timeout: float = Field(
        10.0,
        gt=0,
        description="Seconds a client may take to send a request's headers before its connection is closed.",
    )
    body_timeout: float = Field(
        20.0,
        gt=0,
        description="Seconds a client may take to send a request's body. Beyond it: `request-timeout`. Raise it for "
        "large batches over slow lines.",
    )
    write_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds a client may leave an answer unread, with more waiting to be sent, before its connection "
        "is cut.",
    )
    keep_alive: int = Field(
        65,
        ge=1,
        description="Seconds an idle connection is kept open. Keep it above the idle time of a load balancer in front, "
        "so that the balancer closes first.",
    )
    deadline_ms: float = Field(
        30_000.0,
        gt=0,
        le=3_600_000,
        description="Milliseconds after which a tier that has not answered is given up (`degraded`), for requests that "
        "ask for no shorter deadline. A request cannot ask for a longer one.",
    )
    metrics: Literal["on", "off"] = Field(
        "on",
        description="`off` counts nothing, and `/metrics` is not there. Costs still stand in every answer. For "
        "services that nobody scrapes.",
    )
    traces: Literal["off", "otlp"] = Field(
        "off",
        description="`otlp` sends a trace of every request over OTLP and HTTP; needs the extra `otel`. Where to, and "
        "how many, say the standard variables `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, "
        "`OTEL_SERVICE_NAME` and their kin.",
    )
    detail_headers: Literal["asked", "always", "never"] = Field(
        "asked",
        description="Whether answers carry tiers, cost and timing as response headers: where the request has "
        "`X-Cascade-Detail`, always, or never.",
    )
    instance_price_per_hour: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="What the machine costs in an hour, idle or not. Set: answers say their part of it "
        "(`cost.provisioned`).",
    )
    instance_currency: str = Field(
        "USD",
        pattern="^[A-Z]{3}$",
        description="The currency of that price. Tasks whose prices are in another one have no `cost.provisioned`.",
    )
    instance_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="The part of the machine that this service pays for, where it shares the machine with others.",
    )
    watts_per_cpu: float = Field(
        3.5,
        ge=0,
        allow_inf_nan=False,
        description="Power of one busy virtual core, for estimates of energy. The default is an average over cloud "
        "servers under full load.",
    )
    watts_per_gpu: float = Field(
        300.0,
        ge=0,
        allow_inf_nan=False,
        description="Power of one busy GPU.",
    )
    pue: float = Field(
        1.58,
        ge=1,
        le=10,
        description="Energy of the whole data centre over that of its computers. The default is the world's average in "
        "a survey; large clouds state 1.1 to 1.2.",
    )
    grid_grams_per_kwh: float = Field(
        475.0,
        ge=0,
        allow_inf_nan=False,
        description="Grams of CO2e for a kilowatt-hour of the machine's electricity. The default is about the world's "
        "average; put in your grid's figure, which may be 20 or 700.",
    )
    keys: Path | None = Field(
        None,
        description="The file of API keys (`cascade keys add` writes it). Set: requests need a key. Unset: everybody "
        "who reaches the service may use it.",
    )
    metrics_access: Access = Field(
        "admin",
        description="Who may read `/metrics` where keys are needed: a key with the role `admin`, or everybody "
        "(`open`).",
    )
    docs_access: Access = Field(
        "open",
        description="Who may read `/docs` and `/openapi.json` where keys are needed: `open` or `admin`.",
    )
    state: Path | None = Field(
        None,
        description="Directory for what must outlive a restart: what each key has spent today, audits and feedback. "
        "Unset: a private directory that is removed at the end, so a restart gives every key its whole daily budget "
        "again; audits and feedback then lie in `~/.local/state/cascade-gateway`.",
    )
    cache_bytes: int = Field(
        0,
        ge=0,
        description="Memory each worker may keep answers in, to give them again to the same request; 0 keeps none. Off "
        "by default because it holds what documents say after they were answered.",
    )
    cache_seconds: float = Field(
        3600.0,
        gt=0,
        description="Seconds a kept answer may be given again.",
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
        "unexpected errors, which may quote a document; the other levels log none of a document's text unless "
        "`CASCADE_LOG_DOCUMENTS` is set.",
    )
    log_documents: bool = Field(
        False,
        description="Write the text of every document into the log. For debugging with documents nobody would miss: "
        "the log then holds personal data.",
    )
    upstreams: Path | None = Field(
        None,
        description="The file that names remote large models. Unset: `upstreams.yaml` in the home. Set it to keep what "
        "differs between installations out of the home.",
    )

    audit_share: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of accepted answers that are audited in the background, each drawn by itself. 0 audits "
        "none. 0.01 to 0.1 is usual: the more, the sooner a broken promise is noticed, and the more audits cost.",
    )
    audit_task_shares: dict[str, float] = Field(
        {},
        description='The same for single tasks, as JSON: `{"receipts": 0.05}`.',
    )
    audit_by: Literal["large", "person"] = Field(
        "large",
        description="Who audits: the `large` tier, which is agreement and not truth, or a `person`, for whom answers "
        "are kept as open questions (`cascade audit open`). Answers of the large tier go to a person in any case.",
    )
    calibration_share: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of answered documents that are kept for a person to label all fields of, whatever became of "
        "them: the only ones that `cascade audit export --for calibration` writes. Needs `CASCADE_AUDIT_KEEP_TEXT`. "
        "0 draws none.",
    )
    audit_daily_budget: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Most money that audits may cost in a day (UTC), in each currency of the tasks, all processes "
        "together. Estimated before and put right after each audit.",
    )
    audit_queue: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Documents that may wait for their audit in one worker. Beyond it an audit is dropped and counted; "
        "requests never wait.",
    )
    audit_large_depth: int = Field(
        0,
        ge=0,
        description="Requests the large tier may have before it when an audit begins. The default leaves audits to the "
        "time when it has none.",
    )
    audit_keep_text: bool = Field(
        False,
        description="Keep the text of audited and corrected documents in the audit database. Without, only a digest, "
        "values and offsets are kept, and `cascade audit export` has nothing to write. Texts may hold "
        "personal data.",
    )
    audit_days: float = Field(
        90.0,
        gt=0,
        allow_inf_nan=False,
        description="Days that audited answers, feedback and texts are kept. Running tests and totals stay.",
    )
    audit_rows: int = Field(
        100_000,
        ge=1,
        description="Most audited answers, and most judgements, that are kept; the oldest go first.",
    )
    audit_alpha: float = Field(
        0.05,
        ge=0,
        lt=1,
        allow_inf_nan=False,
        description="Chance that the promised quality of a task is ever put in doubt by the first alarm while it is "
        "kept, however long the service runs; the second, `CASCADE_AUDIT_RUN_LENGTH`, adds to it. 0 leaves doubts to "
        "the second.",
    )
    audit_run_length: float = Field(
        100_000.0,
        ge=0,
        allow_inf_nan=False,
        description="A second, quicker alarm after a long good time: while the promise is kept, it takes at least so "
        "many audited answers of a task, on average, until it is falsely put in doubt. 0 switches it off.",
    )
    on_doubt: Literal["report", "escalate"] = Field(
        "report",
        description="What happens when the promised quality of a field is in doubt: `report` it (metric, log, "
        "`/readyz`), or also `escalate`, so that its answers are accepted more strictly until it is calibrated again.",
    )
    shift_share: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of requests whose documents are compared, without labels, with those the quality was "
        "measured on (`cascade audit reference`). 0 compares none.",
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
