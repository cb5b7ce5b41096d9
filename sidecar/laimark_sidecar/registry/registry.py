"""The registry of versions: "git for adapters", in plain files that any file manager can show.

    objects/ab/cdef...    what versions are made of, by sha256, read-only
    versions/me@....json  one immutable file a version
    refs.json             latest and prev, and the newest move
    reflog.jsonl          every move there ever was, hash-chained
    intent.json           the move that is under way, if any

Reading needs no lock. Writers take `registry.lock` and wait for each other.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar import files
from laimark_sidecar.clock import Clock, day
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.logs import action
from laimark_sidecar.registry import checkout, documents, names, reflog, refs
from laimark_sidecar.registry.intent import IntentJournal
from laimark_sidecar.registry.objects import READ_ONLY, ObjectStore
from laimark_sidecar.registry.resolve import resolve_name
from laimark_sidecar.registry.version import FORMAT_VERSION, Version

LOCK_WAIT_S = 30.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The registry under `folder`; made by `Registry.open`. Keeps nothing in memory: the files are the state."""

    folder: Path
    clock: Clock
    who: str

    @classmethod
    def open(cls, folder: Path, *, clock: Clock, who: str = "") -> Registry:
        """Open the registry, making an empty one where there is none.

        Args:
            folder: its home, usually `Home.registry`.
            clock: dates the names and the reflog.
            who: goes into the reflog, for example `cli` or `daemon`; the process id is added.
        """
        files.make_dir(folder / "objects")
        files.make_dir(folder / "versions")
        return cls(folder=folder, clock=clock, who=f"{who or 'laimark'} (pid {os.getpid()})")

    @property
    def objects(self) -> ObjectStore:
        return ObjectStore(self.folder / "objects")

    @property
    def intent(self) -> IntentJournal:
        return IntentJournal(self.folder / "intent.json")

    @property
    def refs_path(self) -> Path:
        return self.folder / "refs.json"

    @property
    def reflog_path(self) -> Path:
        return self.folder / "reflog.jsonl"

    def add(self, version: Version) -> None:
        """Register a version whose objects are stored already; durable when it returns.

        Adding the same version again is harmless.

        Raises:
            DataError: a name, role or figure in it is malformed.
            StateError: an object or the parent is missing, or another version has this name.
        """
        _validate(version)
        for sha256 in version.objects.values():
            self.objects.path(sha256)
        with self.locked():
            if version.parent:
                self.get(version.parent)
            path = self._version_path(version.name)
            if not path.exists():
                files.write_atomic(path, documents.encode(version), mode=READ_ONLY)
            elif self.get(version.name) != version:
                raise StateError(f"another version is named {version.name} already", hint="take a new name")

    def remove(self, name: str) -> None:
        """Forget a version for good; its objects go with the next `prune`. Durable when it returns.

        Whoever calls has looked whether it is needed: nothing but refs is asked here.

        Raises:
            StateError: no version has this name, or a ref points at it.
        """
        with self.locked():
            if pointing := [ref for ref, target in self.refs().items() if target == name]:
                raise StateError(f"{name} is still served as {pointing[0]}", hint="laimark-sidecar use base")
            path = self._version_path(name)
            if not path.exists():
                raise StateError(f"no version is named {name}", hint="laimark-sidecar list")
            path.unlink()
            files.fsync_dir(path.parent)

    def get(self, name: str) -> Version:
        """Return the version of exactly this name.

        Raises:
            StateError: it is unknown, damaged, or of a newer format.
        """
        path = self._version_path(name)
        if not path.exists():
            raise StateError(f"no version is named {name}", hint="laimark-sidecar list")
        version = documents.read(path, Version, newest=FORMAT_VERSION)
        if version.name != name:
            raise StateError(f"{path} holds {version.name!r}", hint="laimark-sidecar check")
        return version

    def names(self) -> tuple[str, ...]:
        """Return every version's name, readable or not, newest date first."""
        found = (names.name_of_file(path.name) for path in (self.folder / "versions").iterdir())
        return tuple(sorted((name for name in found if name), reverse=True))

    def versions(self) -> tuple[Version, ...]:
        """Return all readable versions, newest first. A damaged one is logged; `check` says what is wrong with it."""
        found: list[Version] = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except StateError as error:
                log.warning("%s", error, extra=action("registry.damaged-version"))
        return tuple(sorted(found, key=lambda version: (version.created_s, version.name), reverse=True))

    def new_name(self, *, prefix: str = "me", salt: str) -> str:
        """Return a name that no version has or had: prefix, UTC date, 4 hex digits that depend on `salt`."""
        today = day(self.clock.now_s())
        used = {*self.names(), *(m.after for e in reflog.read(self.reflog_path).entries for m in e.moves)}
        for attempt in range(1 << 16):
            digits = hashlib.sha256(f"{salt}\0{today}\0{attempt}".encode()).hexdigest()[:4]
            name = names.validate_version_name(f"{prefix}:{today}-{digits}")
            if name not in used:
                return name
        raise StateError(f"every name of {today} is taken")

    def refs(self) -> dict[str, str]:
        """Return every ref with the version that it points at; empty for the base.

        Raises:
            StateError: the refs are damaged or of a newer format.
        """
        return refs.read(self.refs_path, self.reflog_path).refs

    def set_refs(
        self, changes: Mapping[str, str | None], *, reason: str, expected: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Move several refs in one atomic step and record it in the reflog; durable when it returns.

        Args:
            changes: ref to version name; empty for the base, None removes the ref.
            reason: goes into the reflog.
            expected: where these refs were when the caller decided; nothing moves if another process was faster.

        Returns:
            All refs after the move.

        Raises:
            DataError: a ref's name is malformed or reserved.
            StateError: a target is unknown, or a ref is not where `expected` says. Nothing was moved.
        """
        with self.locked():
            for target in changes.values():
                if target:
                    self.get(target)
            current = refs.read(self.refs_path, self.reflog_path)
            for ref, before in (expected or {}).items():
                if current.refs.get(ref, "") != before:
                    raise StateError(
                        f"{ref} is at {current.refs.get(ref, '') or 'base'}, not at {before or 'base'}: "
                        "another process moved it",
                        hint="look again, then repeat",
                    )
            return refs.write(
                self.refs_path,
                self.reflog_path,
                current,
                changes,
                time_s=self.clock.now_s(),
                who=self.who,
                reason=reason,
            ).refs

    def note(self, reason: str) -> None:
        """Record in the reflog something that moved nothing; durable when it returns.

        Raises:
            StateError: the refs are damaged or of a newer format.
            OSError: nothing was recorded.
        """
        with self.locked():
            current = refs.read(self.refs_path, self.reflog_path)
            refs.note(
                self.refs_path,
                self.reflog_path,
                current,
                time_s=self.clock.now_s(),
                who=self.who,
                reason=reason,
            )

    def rebuild_refs(self) -> dict[str, str]:
        """Write lost or damaged refs anew from the reflog and return them.

        Raises:
            StateError: the reflog is damaged too.
        """
        with self.locked():
            return refs.rebuild(self.refs_path, self.reflog_path).refs

    def history(self) -> tuple[reflog.Entry, ...]:
        """Return every move, oldest first, and between them what was noted, which moved nothing."""
        return reflog.read(self.reflog_path).entries

    def resolve_name(self, text: str) -> str:
        """Return the full name of the version that a user means by `text`; empty for the base.

        Raises:
            StateError: nothing or several versions are meant; lists the nearest.
        """
        return resolve_name(text, names=self.names(), refs=self.refs())

    def resolve(self, text: str) -> Version:
        """Return the version that a user means by `text`.

        Raises:
            StateError: no version is meant, several are, or the base is, which is not a version.
        """
        name = self.resolve_name(text)
        if not name:
            raise StateError(f"{text} is the base model, which has no adapter", hint="laimark-sidecar list")
        return self.get(name)

    def lineage(self, name: str) -> tuple[Version, ...]:
        """Return the version, its parent, and so on down to the one that was trained from the base.

        Raises:
            StateError: one of them is missing, or they go round in a circle.
        """
        line: list[Version] = []
        while name:
            if any(name == version.name for version in line):
                raise StateError(f"{name} is its own ancestor", hint="laimark-sidecar check")
            line.append(self.get(name))
            name = line[-1].parent
        return tuple(line)

    def checkout(self, version: Version, folder: Path) -> Path:
        """Write the version into `folder` as PEFT and llama.cpp read it: see `checkout.checkout`."""
        return checkout.checkout(self.objects, version, folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out, waiting for them up to `LOCK_WAIT_S`. Not reentrant: `add` and the like take it too.

        Raises:
            LockedError: another process did not let go in time.
        """
        with files.exclusive(self.folder / "registry.lock", self.who, wait_s=LOCK_WAIT_S):
            yield

    def _version_path(self, name: str) -> Path:
        return self.folder / "versions" / names.file_name(name)


def _validate(version: Version) -> None:
    names.validate_version_name(version.name)
    if version.parent:
        names.validate_version_name(version.parent)
    for role, sha256 in version.objects.items():
        names.validate_role(role)
        names.validate_sha256(sha256)
    figures = {**version.metrics, "scale": version.scale, "created_s": version.created_s}
    for key, value in figures.items():
        if not math.isfinite(value):  # JSON has no such number: it would be read back as damage
            raise DataError(f"{version.name}: {key} is {value}, expected a finite number")
    if version.format != FORMAT_VERSION:
        raise DataError(f"{version.name} has format {version.format}, this program writes {FORMAT_VERSION}")
