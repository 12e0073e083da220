"""The time and size that linting one task may take, whatever its files hold."""

from __future__ import annotations

import time

SECONDS = 60.0
#: All patterns of a task together, with the library's names filled in.
CHARACTERS = 20_000_000


class Clock:
    """Tells when to stop. Time is the thread's processor time, so that a busy machine changes nothing."""

    def __init__(self, seconds: float = SECONDS, characters: int = CHARACTERS) -> None:
        self._deadline = time.thread_time() + seconds
        self._characters = characters

    def count(self, characters: int) -> None:
        """Patterns of so many characters were compiled."""
        self._characters -= characters

    @property
    def up(self) -> str | None:
        """Why to stop; ``None`` to go on."""
        if time.thread_time() > self._deadline:
            return f"checking took {SECONDS:g} s so far"
        if self._characters < 0:
            return f"all patterns so far have {CHARACTERS} characters"
        return None
