"""Clients that keep asking a running gateway while something happens to it."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Load:
    """Clients, each with a connection of its own, that ask for the bill ``text`` until told to stop.

    ``answers``: what each client was answered, in order; ``sent``: how often each has asked; ``failures``: every other
    answer. ``pause``: seconds between two questions of a client.
    """

    address: str
    text: str
    pause: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[list[dict[str, Any]]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, clients: int) -> None:
        for number in range(clients):
            self.answers.append([])
            self.sent.append(0)
            self.threads.append(threading.Thread(target=self._ask, args=(number,)))
        for thread in self.threads:
            thread.start()

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while not self.stop.wait(self.pause):
                self.sent[number] += 1
                try:
                    answer = client.post("/v1/extract", json={"task": "bills", "text": self.text})
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                    continue
                self.answers[number].append(answer.json())

    def end(self) -> list[dict[str, Any]]:
        """Stop asking; all answers."""
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        return list(itertools.chain.from_iterable(self.answers))
