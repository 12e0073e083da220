"""The one place where edited tasks are checked and generations are made."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace

from gateway.home import Home
from gateway.reload.checking import Rejected, check, loaded_spec
from gateway.reload.generations import Generation, Problem, Published, ReloadResult
from gateway.reload.quiet import Quiet
from gateway.reload.sources import Content, Signature, Sources, SourcesChanged
from gateway.reload.store import KEPT, Store
from gateway.telemetry.logs import facts
from gateway.tiers.rules.lint import COPY, PatternMemory, copy_message

QUIET_SECONDS = 0.2
_INTERVAL_SECONDS = 0.05
#: Looking at the files may take this share of one core: more files are looked at less often, within reason.
_LOOKING_SHARE = 0.05
_LONGEST_INTERVAL_SECONDS = 1.0
_RETRY_SECONDS = 2.0
#: The name of problems that concern no single task.
HOME = ""
_log = logging.getLogger(__name__)

#: Signatures of the library and of the task's own files; ``None`` when there is no such task.
_Seen = tuple[Signature, Signature] | None


class Publisher:
    """Checks what was edited in ``home`` and publishes it in ``store``. For one thread at a time.

    A task's files count once they have been left alone for ``quiet`` seconds, each task by itself. They are copied, the
    copy is checked, and the pointer to it is replaced: what workers load is byte for byte what was checked. Files that
    are wrong leave the generation before in force.

    Args:
        home: what people edit.
        store: the run directory.
        quiet: seconds without a write.
        clock: a monotonic clock that all processes of the machine share.
    """

    def __init__(
        self, home: Home, store: Store, *, quiet: float = QUIET_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home = home
        self._store = store
        self._quiet_seconds = quiet
        self._clock = clock
        self._sources = Sources(home)
        self._published = Published(results={"published": 0, "rejected": 0, "failed": 0})
        self._watched: dict[str, Quiet[_Seen]] = {}
        self._numbers: dict[str, int] = {}  # of the newest generation of each task; a task that comes back goes on
        self._copies = 0
        self._looking = 0.0  # seconds the last look took
        self._kept: dict[str, deque[str]] = defaultdict(deque)
        self._retry_at: dict[str, float] = {}
        self._memory = PatternMemory()  # of patterns that were checked: an edit costs what was edited

    @property
    def published(self) -> Published:
        """What is in force."""
        return self._published

    def start(self, *, watching: bool = True) -> Published:
        """Publish every task as it is now; whether its rules can be loaded is for those to say who load them.

        A directory that is a copy of another task's is left out, and said to be one.

        Raises:
            TaskFileError: a ``task.yaml`` is wrong: there is nothing to serve in its place.
            OSError: files cannot be read, or the run directory cannot be written.
        """
        library = self._sources.library_signature()
        tasks: dict[str, Generation] = {}
        problems: dict[str, tuple[Problem, ...]] = {}
        for name in self._sources.tasks():
            seen = (library, self._sources.signature(name))
            self._watched[name] = Quiet(seen, self._quiet_seconds)
            if (copy_of := self._home.copies().get(name)) is not None:
                problems[name] = (self._copied(name, copy_of),)
                _log.warning("a directory is left out", extra=facts(task=name, problem=str(problems[name][0])))
                continue
            content = self._read_patiently(name)
            copy = self._copy(name, content)
            loaded_spec(copy, name, self._home)
            tasks[name] = self._generation(name, copy, content, seen=self._clock(), late=False)
        self._published = replace(self._published, sequence=1, tasks=tasks, problems=problems, watching=watching)
        self._store.publish(self._published)
        return self._published

    def run(self, stop: threading.Event) -> None:
        """Lint what is served, then look again and again until told to stop."""
        self.lint()
        while not stop.is_set():
            try:
                self.look()
            except Exception:  # noqa: BLE001
                # Whatever went wrong, the generations in force go on being served, and the next look may go well.
                _log.exception("looking for edited rules failed")
                stop.wait(_RETRY_SECONDS)
            stop.wait(min(max(_INTERVAL_SECONDS, self._looking / _LOOKING_SHARE), _LONGEST_INTERVAL_SECONDS))

    def lint(self) -> None:
        """Say what the linter finds in the tasks in force, which were started with in spite of it."""
        problems = dict(self._published.problems)
        for name, generation in self._published.tasks.items():
            try:
                check(self._store.home(generation.directory), name, self._home, self._memory)
            except Rejected as error:
                problems[name] = tuple(replace(problem, in_force=True) for problem in error.problems)
                _log.error("rules are wrong", extra=facts(task=name, problems=[str(each) for each in error.problems]))
            except Exception as error:  # noqa: BLE001
                _log.exception("rules could not be checked")
                problems[name] = (_failure(error),)
        if problems != self._published.problems:
            self._update(problems=problems)

    def look(self) -> None:
        """Look at all files once, and deal with each task that was changed and has been left alone since."""
        started = time.perf_counter()
        settled: list[tuple[str, _Seen]] = []
        try:
            library = self._sources.library_signature()
            names = self._sources.tasks()
        except OSError as error:
            self._fail(HOME, error, self._clock())
            return
        self._clear(HOME)
        for name in sorted({*names, *self._watched}):
            watched = self._watched.setdefault(name, Quiet(None, self._quiet_seconds))
            try:
                seen = (library, self._sources.signature(name)) if name in names else None
            except OSError as error:
                self._fail(name, error, self._clock())
                continue
            now = self._clock()
            if watched.settled(seen, now) and now >= self._retry_at.get(name, 0.0):
                settled.append((name, seen))
        self._looking = time.perf_counter() - started
        for name, seen in settled:
            if seen is None:
                self._remove(name)
                del self._watched[name]
            else:
                self._deal_with(name, self._watched[name], self._clock())

    def _deal_with(self, name: str, watched: Quiet[_Seen], now: float) -> None:
        try:
            content = self._sources.read(name)
            if (copy_of := self._home.copies().get(name)) is not None:
                raise Rejected([self._copied(name, copy_of)])
            result = self._publish(name, content, watched.seen)
        except SourcesChanged:
            watched.again(self._clock())
            return
        except Rejected as error:
            watched.take()
            _log.error(
                "edited rules are wrong; the generation before stays in force",
                extra=facts(task=name, problems=[str(problem) for problem in error.problems]),
            )
            self._update("rejected", problems={**self._published.problems, name: error.problems})
            return
        except Exception as error:  # noqa: BLE001
            _log.exception("edited rules could not be published")
            self._fail(name, error, now)
            return
        watched.take()
        self._retry_at.pop(name, None)
        if result is not None:
            _log.info("generation published", extra=facts(task=name, generation=result.number))

    def _copied(self, name: str, copy_of: str) -> Problem:
        file = self._home.rules / name / "task.yaml"
        return Problem(COPY, copy_message(copy_of), "warning", file.relative_to(self._home.path).as_posix())

    def _publish(self, name: str, content: Content, seen: float) -> Generation | None:
        """Check and publish; ``None`` when it is what is in force already."""
        before = self._published.tasks.get(name)
        others = {task: problems for task, problems in self._published.problems.items() if task != name}
        if before is not None and before.digest == _digest(content):
            if len(others) != len(self._published.problems):
                self._update(problems=others)  # a wrong edit was taken back
            return None
        copy = self._copy(name, content)
        try:
            check(copy, name, self._home, self._memory)
        except BaseException:
            self._store.remove(copy.path.name)
            raise
        generation = self._generation(
            name,
            copy,
            content,
            seen=seen,
            late=before.late if before else True,
        )
        self._update("published", tasks={**self._published.tasks, name: generation}, problems=others)
        kept = self._kept[name]
        while len(kept) > KEPT:
            self._store.remove(kept.popleft())
        return generation

    def _generation(self, name: str, copy: Home, content: Content, *, seen: float, late: bool) -> Generation:
        self._numbers[name] = self._numbers.get(name, 0) + 1
        self._kept[name].append(copy.path.name)
        return Generation(self._numbers[name], copy.path.name, _digest(content), seen, self._clock(), late)

    def _copy(self, name: str, content: Content) -> Home:
        self._copies += 1
        return self._store.write(f"{name}-{self._copies}", name, content)

    def _remove(self, name: str) -> None:
        tasks = {task: generation for task, generation in self._published.tasks.items() if task != name}
        problems = {task: found for task, found in self._published.problems.items() if task != name}
        if name in self._published.tasks:
            self._update("published", tasks=tasks, problems=problems)
            _log.info("task taken away", extra=facts(task=name))
        elif name in self._published.problems:
            self._update(problems=problems)

    def _fail(self, name: str, error: Exception, now: float) -> None:
        """Note that something could not be done, and try again later."""
        self._retry_at[name] = now + _RETRY_SECONDS
        problem = _failure(error)
        if self._published.problems.get(name) != (problem,):
            _log.error("rules cannot be reloaded", extra=facts(task=name or None, problem=str(problem)))
            self._update("failed", problems={**self._published.problems, name: (problem,)})

    def _clear(self, name: str) -> None:
        if name in self._published.problems:
            self._update(problems={task: found for task, found in self._published.problems.items() if task != name})

    def _update(
        self,
        result: ReloadResult | None = None,
        *,
        tasks: dict[str, Generation] | None = None,
        problems: dict[str, tuple[Problem, ...]] | None = None,
    ) -> None:
        """Publish another state; when that cannot be written, the one before stays."""
        results = dict(self._published.results)
        if result is not None:
            results[result] += 1
        published = replace(
            self._published,
            sequence=self._published.sequence + 1,
            tasks=self._published.tasks if tasks is None else tasks,
            problems=self._published.problems if problems is None else problems,
            results=results,
        )
        self._store.publish(published)
        self._published = published

    def _read_patiently(self, name: str) -> Content:
        deadline = time.monotonic() + 10.0
        while True:
            try:
                return self._sources.read(name)
            except SourcesChanged:
                if time.monotonic() > deadline:
                    raise OSError(f"files of task {name} are written without a pause") from None
                time.sleep(_INTERVAL_SECONDS)


def _digest(content: Content) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(content.items()):
        digest.update(f"{name}\0{len(data)}\0".encode("utf-8", "surrogatepass"))
        digest.update(data)
    return digest.hexdigest()


def _failure(error: Exception) -> Problem:
    what = str(error) if isinstance(error, OSError) else type(error).__name__
    return Problem("reload-failed", what)
