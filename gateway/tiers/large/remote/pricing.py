"""What a remote tier is expected to be billed, known before it is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.document import Document
from gateway.task import CallPrice, TaskSpec
from gateway.tiers.large.remote import prompt
from gateway.tiers.large.remote.configuration import (
    RemoteTask,
    Upstream,
    chosen_upstreams,
    load_remote_task,
    load_upstreams,
    remote_path,
)


def call_price(task: TaskSpec, remote: RemoteTask, upstream: Upstream) -> CallPrice:
    """What one document is expected to cost at an upstream, all samples together.

    Tokens are estimated from the prompt's length with all of the task's fields.
    """
    blank = Document("")
    chat = prompt.messages(task, tuple(task.fields), blank, prompt.excerpt("", 1), remote.instructions)
    fixed = prompt.characters(chat) / remote.characters_per_token
    calls = remote.confidence.samples if remote.confidence.source in ("auto", "agreement") else 1
    prices = upstream.prices
    base = (
        prices.per_call
        + (fixed * prices.input_per_1k + remote.expected_completion_tokens * prices.output_per_1k) / 1000
    )
    per_character = prices.input_per_1k / 1000 / remote.characters_per_token
    most = int(remote.max_document_tokens * remote.characters_per_token)
    return CallPrice(calls * base, calls * per_character, most, assumed="prices" not in upstream.model_fields_set)


def with_call_price(task: TaskSpec, models: Path, upstreams: Path) -> TaskSpec:
    """``task`` with what its large tier, where that is remote, is expected to be billed for a document by the first of
    its upstreams.

    Raises:
        UpstreamFileError: ``remote.yaml`` or ``upstreams.yaml`` cannot be used.
    """
    path = remote_path(models)
    if "large" not in task.tiers or not path.is_file():
        return task
    remote = load_remote_task(path)
    [first, *_] = chosen_upstreams(remote, load_upstreams(upstreams), path, task.prices.currency)
    return replace(task, prices=replace(task.prices, large=call_price(task, remote, first)))
