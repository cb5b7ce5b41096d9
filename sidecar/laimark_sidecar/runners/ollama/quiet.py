"""Since when has nobody used it? Ollama tells only what is in memory and when it would leave, which every answer moves on.

An answer therefore shows when it ends, or when it had to load its model: until then nothing moves. A use that was seen
counts as busy for a moment longer, so that training gives way to somebody who is talking with a model. What the sidecar
itself asks moves it too and is no use, or each cycle would give way to itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from laimark_sidecar.clock import Clock
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.runners.ollama.api import Loaded
from laimark_sidecar.runners.runner import Activity

log = logging.getLogger(__name__)
RECENT_S = 2.0
"""So long after a use was seen it counts as busy: several looks of the daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was last seen. Kept in a file, because every command is a process of its own."""

    leaving: Mapping[str, str] = field(default_factory=dict)
    """When each name in memory would leave it, in Ollama's words."""
    quiet_since_s: float
    """Epoch seconds of the look that last saw a use: never earlier than its end."""
    served: int = 0
    """How many uses were seen: at most one a name and look."""
    ours_until_s: float = 0.0
    """Epoch seconds until which what moves is taken for the sidecar's own question; 0 where it asks nothing."""


def compare(last: Observation | None, loaded: Sequence[Loaded], now_s: float) -> tuple[Observation, Activity]:
    """Return what to remember, and the activity that it means.

    A name that left is no use, one that came is. The first look at all begins the quiet.
    """
    known = last or Observation(quiet_since_s=now_s)
    leaving = {one.name: one.expires_at for one in loaded}
    used = [name for name, when in leaving.items() if known.leaving.get(name) != when]
    if last is None or now_s < known.ours_until_s:
        used = []
    # A clock that was set back must not make it busy for hours.
    since_s = now_s if used else min(known.quiet_since_s, now_s)
    served = known.served + len(used)
    seen = replace(known, leaving=leaving, quiet_since_s=since_s, served=served)
    busy = bool(used) or (served > 0 and now_s - since_s < RECENT_S)
    return seen, Activity(busy=busy, idle_s=0.0 if busy else now_s - since_s, served=served)


def activity(loaded: Sequence[Loaded], note: Path, now_s: float) -> Activity:
    """Return the activity since the last look, and remember this one.

    Args:
        loaded: what is in memory, names of others too: they share the machine.
        note: where the last look is remembered; a damaged or missing one begins anew.
        now_s: epoch seconds.
    """
    last = _remembered(note)
    seen, found = compare(last, loaded, now_s)
    if seen != last:
        _remember(note, seen)
    return found


@contextmanager
def asking(
    look: Callable[[], Sequence[Loaded]], note: Path, clock: Clock, *, longest_s: float
) -> Iterator[None]:
    """Mark what is asked inside as the sidecar's own. A use by somebody else in the same time is overlooked.

    Args:
        look: returns what is in memory.
        note: where the last look is remembered.
        clock: wall time.
        longest_s: a mark that a crash left is ignored after that.

    Raises:
        RunnerError: Ollama does not answer.
    """
    seen, _ = compare(_remembered(note), look(), clock.now_s())
    _remember(note, replace(seen, ours_until_s=clock.now_s() + longest_s))
    try:
        yield
    finally:
        with contextlib.suppress(RunnerError):  # it is gone: the mark goes by itself
            seen, _ = compare(_remembered(note), look(), clock.now_s())
            _remember(note, replace(seen, ours_until_s=0.0))


def _remember(note: Path, seen: Observation) -> None:
    with contextlib.suppress(OSError):  # a full disk makes it forget, not fail
        write_atomic(note, msgspec.json.encode(seen))


def _remembered(note: Path) -> Observation | None:
    try:
        return decode_json(note.read_bytes(), Observation)
    except FileNotFoundError:
        return None
    except (OSError, MalformedError) as error:
        log.warning("%s is unreadable and is made anew: %s", note, error, extra=action("ollama.quiet"))
        return None
