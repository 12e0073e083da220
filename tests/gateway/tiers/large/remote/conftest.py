"""A remote large tier and the servers it calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.document import Document, TierOutput
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.remote.configuration import chosen_upstreams, load_remote_task, load_upstreams
from gateway.tiers.large.remote.listener import CallOutcome
from gateway.tiers.large.remote.tier import RemoteLargeTier
from gateway.tiers.large.remote.upstreams import Upstreams
from tests.gateway.tiers.large.remote.faulty import Behaviour, FaultyServer, fields

TEXT = "MUTIARA LTD\nNO 17, JALAN CEMPAKA\n43200 CHERAS\nDATE 14/03/2018\nTOTAL RM 9.00\nCASH 10.00"
TASK = TaskSpec(
    "bills",
    {
        "shop": FieldSpec("shop", "text", description="The seller's name."),
        "date": FieldSpec("date", "date"),
        "total": FieldSpec("total", "money", description="The amount to pay."),
        "amounts": FieldSpec("amounts", "money", many=True),
    },
)


def propose(
    tier: RemoteLargeTier, documents: Sequence[Document], names: Sequence[str], **options: Any
) -> list[TierOutput]:
    """Ask a tier once and close it."""

    async def run() -> list[TierOutput]:
        try:
            return await tier.propose(documents, names, **options)
        finally:
            await tier.close()

    return asyncio.run(run())


def ask(tier: RemoteLargeTier, *names: str, text: str = TEXT, **options: Any) -> TierOutput:
    """Ask about one text; about all fields by default."""
    [output] = propose(tier, [Document(text)], names or tuple(TASK.fields), **options)
    return output


class Record:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, CallOutcome]] = []
        self.retries: list[str] = []
        self.breakers: list[tuple[str, bool]] = []
        self.bills: list[tuple[str, int, int, float, str]] = []

    def called(self, upstream: str, outcome: CallOutcome, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((upstream, outcome))

    def retried(self, upstream: str) -> None:
        self.retries.append(upstream)

    def breaker(self, upstream: str, is_open: bool) -> None:
        self.breakers.append((upstream, is_open))

    def billed(self, upstream: str, prompt_tokens: int, completion_tokens: int, amount: float, currency: str) -> None:
        self.bills.append((upstream, prompt_tokens, completion_tokens, amount, currency))


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultyServer]]:
    """Starts servers; what they do at first is their script, and the last of it goes on."""
    with ExitStack() as stack:

        def start(*script: Behaviour) -> FaultyServer:
            *first, last = script or (fields(total="9.00"),)
            server = stack.enter_context(FaultyServer(last))
            server.script.extend(first)
            return server

        yield start


@pytest.fixture
def make_tier(tmp_path: Path, record: Record) -> Callable[..., RemoteLargeTier]:
    """A tier over running servers, from real files; ``remote`` and ``upstream`` are more keys of each."""

    def make(
        *servers: FaultyServer | str,
        remote: dict[str, Any] | None = None,
        upstream: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> RemoteLargeTier:
        described = [
            {
                "name": f"server-{number}",
                "base_url": server if isinstance(server, str) else server.url,
                "model": "tiny",
                "timeouts": {"connect": 1, "read": 2, "total": 4, "pool": 2},
                **(upstream or {}),
            }
            for number, server in enumerate(servers)
        ]
        known, task = tmp_path / "upstreams.yaml", tmp_path / "remote.yaml"
        known.write_text(yaml.safe_dump({"upstreams": described}), "utf-8")
        names = [item["name"] for item in described]
        task.write_text(yaml.safe_dump({"upstreams": names, "backoff": 0.01, **(remote or {})}), "utf-8")
        options = load_remote_task(task)
        timed = {} if clock is None else {"clock": clock}
        upstreams = Upstreams(known, environment=environment or {}, listener=record, **timed)
        chosen = chosen_upstreams(options, load_upstreams(known), task, "USD")
        return RemoteLargeTier(TASK, options, chosen, upstreams, Forms())

    return make
