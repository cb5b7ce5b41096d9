"""What a llama-server in single mode serves under which name: a table, and the file that keeps it.

The server knows adapters by position alone, and the positions are new at every start. So the table says which adapter
(by sha256) a name means, and the position is asked of the server each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import exclusive, make_dir, write_atomic
from laimark_sidecar.runners.llama_server.adapter_files import AdapterFiles
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import SingleSettings

LOCK_WAIT_S = 60.0
"""A change may wait for the server to be quiet, and then start it again."""
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Every name but the base's. Pure: each change returns another table."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Version to the sha256 of its adapter; what was wanted last stands last."""
    moving: Mapping[str, str] = field(default_factory=dict)
    """Moving name to its version, `""` for the base."""
    format: int = FORMAT_VERSION

    def with_version(self, version: str, sha256: str) -> Names:
        """Return the table with a version that is wanted now."""
        others = {name: digest for name, digest in self.versions.items() if name != version}
        return replace(self, versions={**others, version: sha256})

    def without(self, name: str) -> Names:
        """Return the table without a name, be it a version's or a moving one."""
        return replace(
            self,
            versions={one: digest for one, digest in self.versions.items() if one != name},
            moving={one: version for one, version in self.moving.items() if one != name},
        )

    def pointing(self, name: str, version: str) -> Names:
        """Return the table with a moving name moved; its version is wanted now."""
        wanted = self.with_version(version, self.versions[version]) if version else self
        return replace(wanted, moving={**self.moving, name: version})

    def holders(self, version: str) -> list[str]:
        """Return the moving names that answer with a version."""
        return sorted(name for name, target in self.moving.items() if target == version)

    def preloaded(self, answering: str, most: int) -> tuple[str, ...]:
        """Return the digests to load at a start: of what everybody gets first, then of what was wanted last.

        Args:
            answering: the moving name that everybody gets.
            most: how many; at least 2, so that what was wanted last is always among them.
        """
        first = self.versions.get(self.moving.get(answering, ""), "")
        found = dict.fromkeys([first, *reversed(tuple(self.versions.values()))])
        return tuple(digest for digest in found if digest)[:most]


class NamesFile:
    """The table of one managed llama-server in single mode, and the adapters that it names."""

    def __init__(self, settings: SingleSettings) -> None:
        self._settings = settings
        self.adapters = AdapterFiles(settings.adapters)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep every other process that would change the table, or start the server again, out meanwhile.

        Raises:
            LockedError: one was at it for a minute.
        """
        with exclusive(
            self._settings.folder / "models.lock", "a change of llama-server's names", wait_s=LOCK_WAIT_S
        ):
            yield

    def read(self) -> Names:
        """Return the table; empty where there is none.

        Raises:
            RunnerError: it is damaged, or a newer program wrote it; the registry makes it anew.
        """
        try:
            names = decode_json(self._settings.state.read_bytes(), Names)
        except FileNotFoundError:
            return Names()
        except (OSError, MalformedError) as error:
            raise self._unusable(str(error)) from error
        if names.format > FORMAT_VERSION:
            raise self._unusable(f"format {names.format}, this program reads up to {FORMAT_VERSION}")
        for name, version in names.moving.items():
            if version and version not in names.versions:
                raise self._unusable(f"{name} means {version}, which is not in it")
        return names

    def write(self, names: Names, *, keeping: Names | None = None) -> None:
        """Replace the table, durably, and delete the adapters that it does not name.

        Args:
            names: as it is to be.
            keeping: another table whose adapters stay, because it may come back.

        Raises:
            RunnerError: there is no room for it; it is what it was.
        """
        try:
            write_atomic(self._settings.state, msgspec.json.encode(names))
        except OSError as error:
            raise RunnerError(
                f"{self._settings.state} cannot be written: {error.strerror}",
                hint="nothing was changed; make room on the disk",
            ) from error
        kept = {*names.versions.values(), *(keeping.versions.values() if keeping else ())}
        self.adapters.keep_only(kept)

    def seed(self, sections: Mapping[Section, Path | None]) -> None:
        """Make the table anew, durably, from what the registry says. For a server that is not running.

        Args:
            sections: newest version first, with the adapter of each, None for the base.

        Raises:
            RunnerError: an adapter cannot be read or kept.
        """
        versions: dict[str, str] = {}
        moving: dict[str, str] = {}
        for section, adapter in reversed(tuple(sections.items())):
            if section.kind == "moving":
                moving[section.name] = section.version
            elif section.kind == "version" and adapter is not None:
                self.adapters.keep(adapter, section.sha256)
                versions[section.name] = section.sha256
        self.write(Names(versions=versions, moving=moving))
        self.link()

    def link(self) -> None:
        """Point the link in our folder at the base that is to be served."""
        make_dir(self._settings.folder)
        self._settings.model.unlink(missing_ok=True)
        self._settings.model.symlink_to(self._settings.base_path.absolute())

    def _unusable(self, why: str) -> RunnerError:
        return RunnerError(
            f"{self._settings.state} cannot be used: {why}",
            hint="make it anew: laimark-sidecar runner stop, then start",
        )
