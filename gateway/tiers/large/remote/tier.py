"""The remote large tier: asks upstreams for the open fields of a document and grounds what they say in its text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from gateway.document import Document, Proposal, TierName, TierOutput, Work
from gateway.errors import TierUnavailable
from gateway.task import TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.remote import prompt
from gateway.tiers.large.remote.capabilities import Call
from gateway.tiers.large.remote.client import Reply
from gateway.tiers.large.remote.configuration import RemoteTask, Upstream
from gateway.tiers.large.remote.grounding import GroundedText
from gateway.tiers.large.remote.identity import version_of
from gateway.tiers.large.remote.reading import Reader
from gateway.tiers.large.remote.upstreams import RetryPolicy, Upstreams

#: Texts up to this length are grounded on the event loop; longer ones in a thread.
_INLINE_CHARACTERS = 8_000


class RemoteLargeTier:
    """The large tier of one task behind somebody else's servers (see :class:`gateway.tiers.base.AsyncTier`).

    ``version`` is the digest of what shapes its answers as far as this side knows: the model's name, the prompt, the
    schema, decoding and grounding. A server that replaces the model behind its name cannot be noticed.

    ``setup`` is all that the two files say; a tier that differs in it alone gives the same answers, from elsewhere or
    under other limits.

    Args:
        chosen: the task's upstreams, in order of preference.

    Raises:
        ModelMissing: a secret is not in the environment. UpstreamFileError: a TLS file cannot be used.
    """

    name: TierName = "large"
    mode = "remote"

    def __init__(
        self, task: TaskSpec, remote: RemoteTask, chosen: Sequence[Upstream], upstreams: Upstreams, forms: Forms
    ) -> None:
        self._task, self._remote, self._upstreams, self._forms = task, remote, upstreams, forms
        self._clients = upstreams.clients(chosen)
        self._policy = RetryPolicy.of(remote)
        self._reader = Reader(task, forms, remote.confidence)
        self.version = version_of(task, remote, chosen, forms)
        self.setup = (remote, tuple(chosen))

    async def propose(
        self, documents: Sequence[Document], fields: Sequence[str], *, deadline: float | None = None
    ) -> list[TierOutput]:
        """See :meth:`gateway.tiers.base.AsyncTier.propose`. Documents are asked for side by side; when one cannot be
        answered the others are given up.

        Raises:
            TierUnavailable: no upstream answered in time.
        """
        seconds = self._remote.deadline if deadline is None else min(deadline, self._remote.deadline)
        asked = [name for name in self._task.fields if name in set(fields)]
        if not asked:
            return [TierOutput() for _ in documents]
        try:
            async with asyncio.TaskGroup() as group:
                pending = [group.create_task(self._answer(document, asked, seconds)) for document in documents]
        except* TierUnavailable as failures:
            first: BaseException = failures
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None
        return [task.result() for task in pending]

    async def close(self) -> None:
        """Let go of the upstreams' connections, as far as no other task's tier holds them."""
        clients, self._clients = self._clients, []
        await self._upstreams.release(clients)

    async def _answer(self, document: Document, fields: Sequence[str], seconds: float) -> TierOutput:
        started, cpu = time.perf_counter(), time.thread_time()
        remote = self._remote
        shown = prompt.excerpt(document.text, int(remote.max_document_tokens * remote.characters_per_token))
        chat = prompt.messages(self._task, fields, document, shown, remote.instructions)
        cpu = time.thread_time() - cpu
        replies = await self._ask(chat, fields, seconds)
        text = GroundedText(
            document.text, shown.kept, options=self._task.options, least_similarity=remote.least_similarity
        )

        def read() -> tuple[dict[str, Proposal], float]:
            begun = time.thread_time()
            found = self._reader.proposals(text, replies, fields, suffix="/cut" if shown.unread else "")
            return found, time.thread_time() - begun

        if len(document.text) <= _INLINE_CHARACTERS:
            proposals, spent = read()
        else:
            proposals, spent = await asyncio.to_thread(read)
        prompt_tokens = sum(reply.usage.prompt_tokens for reply in replies)
        completion_tokens = sum(reply.usage.completion_tokens for reply in replies)
        work = Work(
            cpu_seconds=cpu + spent,
            wall_seconds=time.perf_counter() - started,
            tokens=prompt_tokens + completion_tokens,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            amount=sum(reply.amount for reply in replies),
            estimated=any(reply.estimated for reply in replies),
            unread=shown.unread,
        )
        return TierOutput(proposals, work)

    async def _ask(self, chat: Sequence[Mapping[str, str]], fields: Sequence[str], seconds: float) -> list[Reply]:
        """The answer at temperature 0, and samples beside it where agreement is to be measured."""
        options = self._remote.confidence
        wants_logprobs = options.source in ("auto", "logprobs")
        deadline = time.monotonic() + seconds
        greedy = self._call(chat, fields, temperature=0.0, sample=0, logprobs=wants_logprobs)
        first = await self._upstreams.complete(self._clients, greedy, self._policy, seconds)
        if options.source in ("logprobs", "prior") or (options.source == "auto" and first.completion.tokens):
            return [first]
        others = [
            self._call(chat, fields, temperature=options.temperature, sample=sample, logprobs=False)
            for sample in range(1, options.samples)
        ]
        left = deadline - time.monotonic()
        sampled = await asyncio.gather(*(self._sample(call, left) for call in others))
        return [first, *(reply for reply in sampled if reply is not None)]

    async def _sample(self, call: Call, seconds: float) -> Reply | None:
        """One more opinion, which is not worth failing for."""
        try:
            return await self._upstreams.complete(self._clients, call, self._policy, seconds)
        except TierUnavailable:
            return None

    def _call(
        self,
        chat: Sequence[Mapping[str, str]],
        fields: Sequence[str],
        *,
        temperature: float,
        sample: int,
        logprobs: bool,
    ) -> Call:
        remote = self._remote
        return Call(
            fields=tuple(fields),
            messages=chat,
            schema=prompt.answer_schema(self._task, fields),
            temperature=temperature,
            seed=None if remote.seed is None else remote.seed + sample,
            max_tokens=remote.max_completion_tokens,
            logprobs=logprobs,
            characters_per_token=remote.characters_per_token,
        )
