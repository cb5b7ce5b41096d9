"""One thread owns llama.cpp; everybody else sends it commands. Their order in the queue is their order in time.

A name is resolved when a request is queued, and withdrawing is a command in the same queue: requests that were
there before are answered by the version they were promised.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import LaimarkError, RunnerError
from laimark_sidecar.llamacpp.base import Adapter, Base
from laimark_sidecar.logs import action
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.generation import Done, Event, generate
from laimark_sidecar.runners.embedded.names import NameTable
from laimark_sidecar.runners.embedded.sampling import Sampling
from laimark_sidecar.runners.runner import Activity

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A queued request."""

    version: str
    """Immutable version that answers it; empty for the base."""
    cancelled: threading.Event

    def cancel(self) -> None:
        """End the answer soon, as `aborted`; `Done` still comes."""
        self.cancelled.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    ticket: Ticket
    prompt: Sequence[int]
    sampling: Sampling
    on_event: Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    version: str
    path: Path
    done: Future[None] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Free:
    version: str
    done: Future[None] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


_Command = _Answer | _Load | _Free | _Stop


class Engine:
    """Serves one base under several names, one answer at a time.

    Args:
        base: handed over; the engine's thread closes it.
        base_name: the name of the untouched base.
        clock: for the idle time.
    """

    def __init__(self, base: Base, base_name: str, *, clock: Clock) -> None:
        self._base = base
        self._clock = clock
        self._lock = threading.Lock()
        self._table = NameTable(base_name)
        self._adapters: dict[str, Adapter] = {}
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._draining = threading.Event()
        self._waiting = 0
        self._served = 0
        self._idle_since_s = clock.monotonic_s()
        # A daemon thread: a decode that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="laimark-llamacpp", daemon=True)
        self._thread.start()

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._base.context

    def submit(
        self, model: str, prompt: Sequence[int], sampling: Sampling, on_event: Callable[[Event], None]
    ) -> Ticket:
        """Queue a request.

        Args:
            model: any served name, resolved now.
            prompt: tokens, at least one, fewer than the context.
            sampling: how to draw.
            on_event: called on the engine's thread for every event, the last being `Done`; must return at once.

        Raises:
            ApiError: 404 unknown name, 503 when the server is stopping.
        """
        with self._lock:
            if self._draining.is_set():
                raise ApiError(503, "the server is stopping", kind="server_error", code="stopping")
            ticket = Ticket(version=self._table.resolve(model), cancelled=threading.Event())
            self._waiting += 1
            self._commands.put(_Answer(ticket=ticket, prompt=prompt, sampling=sampling, on_event=on_event))
        return ticket

    def resolve(self, name: str) -> str:
        """Return the version behind a name; raises the 404 that lists the names."""
        with self._lock:
            return self._table.resolve(name)

    def names(self) -> dict[str, str]:
        """Return every served name with its version, base first."""
        with self._lock:
            return self._table.names()

    def register(self, version: str, path: Path) -> Future[None]:
        """Load an adapter and then serve it. The future ends when it is served, or with a `RunnerError`."""
        with self._lock:
            self._table.check_new_version(version)
            command = _Load(version=version, path=path)
            self._commands.put(command)
        return command.done

    def withdraw(self, version: str) -> Future[None]:
        """Stop serving a version at once and free it after the requests already queued; an unknown one is fine."""
        command = _Free(version=version)
        with self._lock:
            if self._table.remove_version(version):
                self._commands.put(command)
            else:
                command.done.set_result(None)
        return command.done

    def point(self, name: str, version: str) -> None:
        """Move a name; requests already queued keep their version."""
        with self._lock:
            self._table.point(name, version)

    def unpoint(self, name: str) -> None:
        """Stop serving a moving name."""
        with self._lock:
            self._table.unpoint(name)

    def activity(self) -> Activity:
        """Return whether anything is running or waiting, and since when nothing is."""
        with self._lock:
            busy = self._waiting > 0
            idle_s = 0.0 if busy else self._clock.monotonic_s() - self._idle_since_s
            return Activity(busy=busy, idle_s=idle_s, served=self._served)

    def drain(self) -> None:
        """Refuse new requests and end those running or waiting as `aborted`."""
        self._draining.set()

    def close(self, *, timeout_s: float = 0.5) -> None:
        """Drain, free everything and end the thread. A decode that outlasts the timeout is left to the process's end."""
        self.drain()
        self._commands.put(_Stop())
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            command = self._commands.get()
            match command:
                case _Answer():
                    self._answer(command)
                case _Load():
                    self._load(command)
                case _Free():
                    self._free(command)
                case _Stop():
                    self._base.close()
                    return
                case _:
                    assert_never(command)

    def _answer(self, request: _Answer) -> None:
        done = Done(finish="aborted", answer_tokens=0)
        try:
            if not self._cancelled(request):
                done = self._generate(request)
        except LaimarkError as error:
            done = Done(finish="error", answer_tokens=0, error=str(error))
        except Exception:  # the only thread that answers must outlive one bad request
            log.exception("answering failed", extra=action("embedded.answer.bug"))
            done = Done(
                finish="error", answer_tokens=0, error="internal error; the server's log has the traceback"
            )
        with self._lock:
            self._waiting -= 1
            self._served += 1
            self._idle_since_s = self._clock.monotonic_s()
        request.on_event(done)

    def _generate(self, request: _Answer) -> Done:
        adapter = self._adapters[request.ticket.version] if request.ticket.version else None
        events = generate(
            self._base, adapter, request.prompt, request.sampling, lambda: self._cancelled(request)
        )
        for event in events:
            if isinstance(event, Done):
                return event
            request.on_event(event)
        raise RunnerError("the answer ended without an end")

    def _cancelled(self, request: _Answer) -> bool:
        return request.ticket.cancelled.is_set() or self._draining.is_set()

    def _load(self, command: _Load) -> None:
        try:
            adapter = self._base.load_adapter(command.path)
            with self._lock:
                self._table.add_version(command.version)
        except LaimarkError as error:
            command.done.set_exception(error)
            return
        replaced = self._adapters.pop(command.version, None)
        if replaced is not None:
            self._base.unload(replaced)
        self._adapters[command.version] = adapter
        command.done.set_result(None)

    def _free(self, command: _Free) -> None:
        adapter = self._adapters.pop(command.version, None)
        if adapter is not None:
            self._base.unload(adapter)
        command.done.set_result(None)
