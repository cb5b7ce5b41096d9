"""The logs of other programs that this home learns from: added, opened, removed."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home, expanded
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.sources.added import Added, change_added, find, read_added
from laimark_sidecar.sources.places import usual_places
from laimark_sidecar.sources.source import LogSource, SharedLog, SourceFactory, load_sources

_RESERVED = ("embedded", "gateway", "journal")
"""What no log may be called: records are trusted by the name of their log."""
OWN_SOURCES = ("embedded", "gateway")
"""What our own runner and gateway saw the user type."""

_PEOPLE_TOLD = 20
_LINES_TRIED = 20


def kinds() -> dict[str, SourceFactory]:
    """Return what logs can be added; the sidecar's own journal is always read."""
    return {kind: factory for kind, factory in sorted(load_sources().items()) if kind not in _RESERVED}


def trusted(home: Home) -> tuple[str, ...]:
    """Return the sources that no cap bounds: our own, and the logs that were added with `--trust`, by name."""
    return (*OWN_SOURCES, *sorted({one.name for one in read_added(home.sources) if one.trusted}))


def opened(added: Added) -> LogSource:
    """Return what reads a log.

    Raises:
        ConfigError: no source of that kind is installed (any more).
    """
    return _factory(added.kind)(Path(added.path))


def add(
    home: Home,
    kind: str,
    path: str,
    *,
    name: str,
    trusted: bool,
    history: bool,
    clock: Clock,
    user: str = "",
) -> Added:
    """Add a log, after a look at it.

    Args:
        home: whose.
        kind: of the source.
        path: of the log; empty for its usual place.
        name: what it is called here; empty for its kind.
        trusted: whether no cap bounds it.
        history: whether what was said before now is wanted, too.
        clock: says now.
        user: whose records are wanted, by the id that the log gives the person; empty for everybody's. One who is
            alone in a trusted log is the one who is trusted, whoever comes later.

    Raises:
        ConfigError: the kind or the person is unknown, the name is reserved, it is not said which of several people to
            trust, or there is nothing at its usual places.
        StateError: the name is taken, or what is there is not this kind of log.
        OSError: it cannot be read.
    """
    name = name or kind
    if name.lower() in _RESERVED:
        raise ConfigError(
            f"no log may be called {name!r}: so is called what laimark-sidecar records itself",
            hint="give it another name with --name",
        )
    _refuse_taken(read_added(home.sources), name)
    factory = _factory(kind)
    place = expanded(path, named_by="PATH").absolute() if path else _found(kind)
    if not place.exists():
        raise ConfigError(f"{place} is not there", hint="give the path of the log")
    source = factory(place)
    _require_kind(source, place, kind)
    user = _person(source, place, user=user, trusted=trusted)
    one = Added(
        name=name,
        kind=kind,
        path=str(place),
        since_s=0.0 if history else clock.now_s(),
        trusted=trusted,
        user=user,
    )

    def with_it(known: tuple[Added, ...]) -> tuple[Added, ...]:
        _refuse_taken(known, name)
        return (*known, one)

    change_added(home.sources, with_it)
    return one


def _require_kind(source: LogSource, place: Path, kind: str) -> None:
    """Raise StateError where the beginning of a log holds nothing of its kind. One that is still empty will do."""
    batch = source.read(None, max_lines=_LINES_TRIED)
    if batch.faults and not batch.records:
        fault = batch.faults[0]
        raise StateError(
            f"{place} is no log of {kind}: {fault.segment}:{fault.offset}: {fault.reason}",
            hint="give the path of the log, or its kind: laimark-sidecar sources kinds",
        )


def remove(workshop: Workshop, name: str) -> None:
    """Read a log no more, and forget how far it was read. What was taken in stays until it is forgotten."""

    def without_it(known: tuple[Added, ...]) -> tuple[Added, ...]:
        find(known, name)
        return tuple(each for each in known if each.name != name)

    one = find(read_added(workshop.home.sources), name)
    change_added(workshop.home.sources, without_it)
    with workshop.store() as store:
        for each in (replace(one, since_s=0.0), replace(one, since_s=1.0)):
            store.move_cursor(each.cursor, None)


def usually(kind: str) -> tuple[Path, ...]:
    """Return where logs of a kind usually are on this machine."""
    return usual_places(kind, os.environ, Path.home(), platform=sys.platform)


def _person(source: LogSource, place: Path, *, user: str, trusted: bool) -> str:
    """Return whose records are taken in; empty for everybody's."""
    if not (user or trusted):
        return ""
    if not isinstance(source, SharedLog):
        if user:
            raise ConfigError(f"a log of {source.name} does not tell people apart", hint="leave --user out")
        return ""
    people = source.people()
    if user and user not in people:
        raise ConfigError(
            f"nobody with the id {user!r} has said anything in {place}", hint=f"there are: {_told(people)}"
        )
    if not user and len(people) != 1:
        raise ConfigError(
            f"{place} is not one person's: --trust needs --user ID", hint=f"there are: {_told(people)}"
        )
    return user or people[0]


def _told(people: tuple[str, ...]) -> str:
    shown = ", ".join(people[:_PEOPLE_TOLD]) or "none, say something in it first"
    return f"{shown} and {len(people) - _PEOPLE_TOLD} more" if len(people) > _PEOPLE_TOLD else shown


def _refuse_taken(known: tuple[Added, ...], name: str) -> None:
    if any(one.name == name for one in known):
        raise StateError(
            f"{name} is added already", hint="give it another name with --name, or remove it: sources rm"
        )


def _factory(kind: str) -> SourceFactory:
    known = kinds()
    if kind not in known:
        raise ConfigError(
            f"{kind!r} is no kind of log that is known here", hint=f"one of: {', '.join(known)}"
        )
    return known[kind]


def _found(kind: str) -> Path:
    places = usually(kind)
    for place in places:
        if place.exists():
            return place
    looked = f" (looked at {', '.join(map(str, places))})" if places else ""
    raise ConfigError(f"no log of {kind} was found{looked}", hint=f"laimark-sidecar sources add {kind} PATH")
