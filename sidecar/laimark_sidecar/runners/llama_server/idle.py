"""Is anybody using it? llama-server counts its work but not the time since: counters are compared with remembered ones."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.runners.llama_server.connection import RefusedError
from laimark_sidecar.runners.llama_server.router import Model, Router
from laimark_sidecar.runners.runner import Activity

log = logging.getLogger(__name__)
_GAUGE = re.compile(r"^llamacpp:(\w+) ([0-9.e+]+)$", re.MULTILINE)
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one process is doing, and how much it has done since it was started."""

    busy: bool
    decodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was last seen. Kept in a file, because every command is a process of its own."""

    decodes: Mapping[str, int] = field(default_factory=dict)
    """Of each section that had a process."""
    quiet_since_s: float
    """Epoch seconds of the look that last saw work: never earlier than the work itself."""
    served: int = 0
    """How often a look saw that a process had worked meanwhile: at most the requests that there were."""


def read_metrics(text: str) -> Load:
    """Return the load that `/metrics` tells; requests that wait for a slot count as work too.

    Raises:
        RunnerError: it does not tell it.
    """
    try:
        values = {name: float(value) for name, value in _GAUGE.findall(text)}
        busy = values["requests_processing"] + values["requests_deferred"] > 0
        return Load(busy=busy, decodes=int(values["n_decode_total"]))
    except KeyError as error:
        raise RunnerError(
            f"llama-server's metrics lack {error}", hint="is it a version that was tested?"
        ) from error
    except (ValueError, OverflowError) as error:
        raise RunnerError(
            f"llama-server's metrics hold what is no number: {error}", hint="is it a version that was tested?"
        ) from error


def compare(
    last: Observation | None, loads: Mapping[str, Load], now_s: float
) -> tuple[Observation, Activity]:
    """Return what to remember, and the activity that it means.

    A process that ended is no activity, one that begins with work done is. The first look at all begins the quiet.
    """
    known = last or Observation(quiet_since_s=now_s)
    decodes = {name: load.decodes for name, load in loads.items()}
    worked = [name for name, count in decodes.items() if count != known.decodes.get(name, 0)]
    busy = any(load.busy for load in loads.values())
    # A clock that was set back must not make it busy for hours.
    since_s = now_s if busy or worked else min(known.quiet_since_s, now_s)
    seen = Observation(
        decodes=decodes, quiet_since_s=since_s, served=known.served + (len(worked) if last else 0)
    )
    return seen, Activity(busy=busy, idle_s=0.0 if busy else now_s - since_s, served=seen.served)


def load_of(router: Router, model: Model) -> Load | None:
    """Return what a section's process is doing, None where it has none. One that is loading was asked something.

    Raises:
        RunnerError: the router does not answer.
    """
    if model.status.value in ("unloaded", "sleeping"):
        return None
    if model.status.value == "loading":
        return Load(busy=True, decodes=0)
    try:
        return read_metrics(router.get("/metrics", model.id).decode("utf-8", "replace"))
    except RefusedError as error:
        # It has ended since it was listed (400), or is only just beginning to listen (503, or 500 from the router).
        return Load(busy=True, decodes=0) if error.status >= 500 else None


def activity(loads: Mapping[str, Load], note: Path, now_s: float) -> Activity:
    """Return the activity since the last look, and remember this one.

    Args:
        loads: what every process is doing, by name.
        note: where the last look is remembered; a damaged or missing one begins anew.
        now_s: epoch seconds.
    """
    last = _remembered(note)
    seen, found = compare(last, loads, now_s)
    if seen != last:
        with contextlib.suppress(OSError):  # a full disk makes it forget, not fail
            write_atomic(note, msgspec.json.encode(seen))
    return found


def loads_of(router: Router) -> dict[str, Load]:
    """Return what every process of the router is doing, the user's own among them: they share the machine.

    Raises:
        RunnerError: the router does not answer.
    """
    return {model.id: load for model in router.models() if (load := load_of(router, model)) is not None}


def wait_until_idle(look: Callable[[], Load | None], *, name: str, timeout_s: float) -> None:
    """Return as soon as a process answers nobody, or has ended.

    Args:
        look: returns what it is doing, None where it has ended.
        name: for the message.
        timeout_s: longest wait.

    Raises:
        RunnerError: it was busy all of `timeout_s` seconds.
    """
    deadline_s = time.monotonic() + timeout_s
    while (load := look()) is not None and load.busy:
        if time.monotonic() > deadline_s:
            raise RunnerError(
                f"{name} has been answering for {timeout_s:g} s: changing it now would cut that answer",
                hint="run the command again when it is quiet",
            )
        time.sleep(_POLL_S)


def wait_until_quiet(router: Router, model: Model, *, timeout_s: float) -> None:
    """Return as soon as a section's process answers nobody, or has ended; raises as `wait_until_idle` does."""
    name = next(iter(model.aliases), model.id)
    wait_until_idle(lambda: load_of(router, model), name=name, timeout_s=timeout_s)


def _remembered(note: Path) -> Observation | None:
    try:
        return decode_json(note.read_bytes(), Observation)
    except FileNotFoundError:
        return None
    except MalformedError as error:
        log.warning("%s is unreadable and is made anew: %s", note, error, extra=action("llama_server.idle"))
        return None
