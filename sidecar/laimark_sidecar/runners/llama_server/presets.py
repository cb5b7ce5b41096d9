"""Changes the preset file and has the router read it: the file is put back where the router refuses it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.files import copy_atomic, exclusive, make_dir, sha256_file, write_atomic
from laimark_sidecar.runners.llama_server import preset_file
from laimark_sidecar.runners.llama_server.sections import Options, Section, render
from laimark_sidecar.runners.llama_server.settings import RouterSettings

LOCK_WAIT_S = 30.0


class Presets:
    """The preset file of one managed llama-server, and the adapters that its sections name."""

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings
        self._options: Options = settings.options

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep every other process that would change the file out meanwhile.

        Raises:
            LockedError: one was at it for half a minute.
        """
        with exclusive(
            self._settings.folder / "models.lock", "a change of llama-server's names", wait_s=LOCK_WAIT_S
        ):
            yield

    def text(self) -> str:
        """Return the file's content; empty where there is none."""
        try:
            return self._settings.preset.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def seed(self, sections: Mapping[Section, Path | None]) -> None:
        """Replace all sections of ours by these, durably; what others wrote stays. For a router that is not running.

        Adapters that no section names any more are deleted.

        Args:
            sections: with the adapter of each, None for the base; an adapter that cannot be read raises.

        Raises:
            RunnerError: a name is somebody else's, or an adapter cannot be read.
        """
        text = preset_file.without_ours(self.text())
        for section, adapter in sections.items():
            kept = self.keep(adapter, section.sha256) if adapter else None
            text = self._with(text, section, kept)
        self._write(text)
        for kept in self._settings.adapters.glob("*.gguf"):
            if kept.stem not in text:
                kept.unlink()

    def put(self, section: Section, reload: Callable[[], object]) -> None:
        """Write a section, in place of the one that its name had, and `reload`; refused, the file is what it was.

        Raises:
            RunnerError: the name is somebody else's, or the router refuses the file.
        """
        adapter = self.adapter(section.sha256) if section.sha256 else None
        self._change(self._with(self.text(), section, adapter), reload)

    def remove(self, section: Section, reload: Callable[[], object]) -> None:
        """Remove a section and `reload`; an adapter that no section names any more is deleted."""
        self._change(preset_file.without_section(self.text(), section.id), reload)
        if section.sha256 and section.sha256 not in self.text():
            self.adapter(section.sha256).unlink(missing_ok=True)

    def adapter(self, sha256: str) -> Path:
        """Return where the adapter of this digest is kept.

        The file's name is new whenever its content is: the router compares names, and would go on with the old one.
        """
        return self._settings.adapters / f"{sha256}.gguf"

    def keep(self, adapter: Path, sha256: str) -> Path:
        """Copy an adapter to where sections name it; nothing happens where it is there already.

        Raises:
            RunnerError: it cannot be read, or is not the one of this digest.
        """
        kept = self.adapter(sha256)
        try:
            if not kept.is_file():
                copy_atomic(adapter, kept, sha256=sha256)
        except (OSError, DataError) as error:
            raise RunnerError(f"adapter {adapter} cannot be kept: {error}") from error
        return kept

    def _with(self, text: str, section: Section, adapter: Path | None) -> str:
        rendered = render(section, self._options, adapter)
        claims = preset_file.Block(id=section.id, text=rendered).claims | {section.name}
        return preset_file.with_section(text, section.id, rendered, names=claims)

    def _change(self, text: str, reload: Callable[[], object]) -> None:
        before = self.text()
        self._write(text)
        try:
            reload()
        except RunnerError:
            write_atomic(self._settings.preset, before.encode("utf-8"))
            with contextlib.suppress(RunnerError):
                reload()
            raise

    def _write(self, text: str) -> None:
        preset_file.require_one_owner(text)
        make_dir(self._settings.folder)
        write_atomic(self._settings.preset, text.encode("utf-8"))


def digest_of(adapter: Path) -> str:
    """Return the sha256 of an adapter file.

    Raises:
        RunnerError: it is no regular file, or cannot be read.
    """
    if adapter.exists() and not adapter.is_file():
        raise RunnerError(f"adapter {adapter} is not a regular file")
    try:
        return sha256_file(adapter)
    except OSError as error:
        raise RunnerError(f"adapter {adapter} cannot be read: {error.strerror}") from error
