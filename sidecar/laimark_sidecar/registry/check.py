"""Is everything that the registry promises still true? Reads all of it, changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laimark_sidecar.errors import StateError
from laimark_sidecar.registry import reflog, refs
from laimark_sidecar.registry.documents import DamagedError
from laimark_sidecar.registry.intent import DAMAGED
from laimark_sidecar.registry.names import name_of_file
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.registry.version import Version

_KNOWN = {
    "objects",
    "versions",
    "refs.json",
    "reflog.jsonl",
    "intent.json",
    "registry.lock",
    "registry.holder",
}
_OLDER = "go back to a healthy version: laimark-sidecar rollback"
_PRUNE = "laimark-sidecar prune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it should be. An `error` means that something promised is lost."""

    severity: Literal["error", "warning"]
    where: str
    """The version, ref, object or file."""
    message: str
    hint: str


def check(registry: Registry) -> tuple[Problem, ...]:
    """Return everything that is wrong, errors first; empty when all is well.

    Reads every byte of every object. Another process may write meanwhile: what it is just writing can show up as
    a warning about a temporary file.
    """
    versions: dict[str, Version] = {}
    problems = [
        *_versions(registry, versions),
        *_objects(registry, versions.values()),
        *_parents(registry, versions),
        *_refs(registry),
        *interrupted(registry),
        *_strangers(registry),
        *_permissions(registry.folder),
    ]
    return tuple(sorted(problems, key=lambda problem: problem.severity))


def is_temporary(path: Path) -> bool:
    """Tell whether the file is what an interrupted write leaves behind."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _versions(registry: Registry, readable: dict[str, Version]) -> Iterator[Problem]:
    for name in registry.names():
        try:
            readable[name] = registry.get(name)
        except StateError as error:
            yield _error(name, str(error), error.hint if "upgrade" in error.hint else _OLDER)


def _objects(registry: Registry, versions: Iterable[Version]) -> Iterator[Problem]:
    users: dict[str, list[str]] = {}
    for version in versions:
        for role, sha256 in version.objects.items():
            users.setdefault(sha256, []).append(f"{role} of {version.name}")
    present = dict(registry.objects.all())
    for sha256, used in users.items():
        if sha256 not in present:
            yield _error(sha256, f"the object is missing: {', '.join(used)}", _OLDER)
    for sha256 in present:
        try:
            whole = registry.objects.verify(sha256)
        except OSError as error:
            yield _error(sha256, f"the object cannot be read: {error.strerror}", _OLDER)
            continue
        if not whole and sha256 in users:
            yield _error(sha256, f"the object's content has changed: {', '.join(users[sha256])}", _OLDER)
        elif not whole:
            yield _warning(sha256, "an object that no version uses has changed", _PRUNE)


def _parents(registry: Registry, versions: dict[str, Version]) -> Iterator[Problem]:
    known = set(registry.names())
    for version in versions.values():
        if version.parent and version.parent not in known:
            yield _error(
                version.name, f"its parent {version.parent} is missing", "its lineage cannot be told any more"
            )


def _refs(registry: Registry) -> Iterator[Problem]:
    found = reflog.read(registry.reflog_path)
    for sentence in found.breaks:
        yield _error(
            "reflog.jsonl", sentence, "the history before this point is not proven; restore a backup"
        )
    try:
        current = refs.read(registry.refs_path, registry.reflog_path)
    except StateError as error:
        # A newer format is not damage: writing it anew would lose what this program cannot read.
        newer = "upgrade" in error.hint
        yield _error(
            "refs.json",
            str(error),
            error.hint if newer else "laimark-sidecar check --repair writes it anew from the reflog",
        )
        return
    known = set(registry.names())
    for ref, target in current.refs.items():
        if target and target not in known:
            yield _error(ref, f"points at {target}, which is missing", "laimark-sidecar use VERSION")
    yield from _agreement(current, found)


def _agreement(current: refs.RefsFile, found: reflog.Reflog) -> Iterator[Problem]:
    end = found.entries[-1] if found.entries else None
    if end == current.last:
        if {**refs.START, **reflog.replay(found.entries)} != current.refs and not found.breaks:
            yield _error(
                "refs.json", "the refs are not where the reflog left them", "laimark-sidecar use VERSION"
            )
    elif current.last is not None and current.last.previous == (end.hash if end else ""):
        yield _warning("reflog.jsonl", "the newest move is not written here yet", "the next move writes it")
    else:
        yield _error(
            "reflog.jsonl", "its end is not the newest move that refs.json knows", "restore a backup"
        )


def interrupted(registry: Registry) -> Iterator[Problem]:
    """Yield the move that is not finished, or what is left of it: one problem at most."""
    try:
        intent = registry.intent.current()
    except StateError as error:
        yield _error(
            "intent.json",
            str(error),
            "laimark-sidecar run sets it aside; the refs decide"
            if isinstance(error, DamagedError)
            else error.hint,
        )
        return
    if intent is not None:
        message = f"a {intent.kind} of {intent.target or 'base'} is not finished"
        yield _warning("intent.json", message, "laimark-sidecar run finishes it")


def _strangers(registry: Registry) -> Iterator[Problem]:
    objects = {path for _, path in registry.objects.all()}
    for path in sorted(registry.folder.rglob("*")):
        inside = path.relative_to(registry.folder)
        if is_temporary(path):
            yield _warning(str(inside), "left over from an interrupted write", _PRUNE)
        elif len(inside.parts) == 1 and path.name.startswith(f"intent.json.{DAMAGED}-"):
            yield _warning(path.name, "a damaged intent that was set aside", "delete it once you have looked")
        elif not _expected(path, inside, objects):
            yield _warning(str(inside), "does not belong here", "move it elsewhere")


def _expected(path: Path, inside: Path, objects: set[Path]) -> bool:
    match inside.parts:
        case (name,):
            return name in _KNOWN
        case ("versions", name):
            return name_of_file(name) is not None
        case ("objects", fan):
            return path.is_dir() and len(fan) == 2
        case _:
            return path in objects


def _permissions(folder: Path) -> Iterator[Problem]:
    if os.name == "nt":
        return
    for path in (folder, *sorted(folder.rglob("*"))):
        try:
            mode = path.lstat().st_mode & 0o777
        except FileNotFoundError:  # another process has just renamed its temporary file
            continue
        if mode & 0o077:
            yield _warning(str(path), f"others may open it (mode {mode:o})", f"chmod go= '{path}'")


def _error(where: str, message: str, hint: str) -> Problem:
    return Problem(severity="error", where=where, message=message, hint=hint)


def _warning(where: str, message: str, hint: str) -> Problem:
    return Problem(severity="warning", where=where, message=message, hint=hint)
