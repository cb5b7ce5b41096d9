"""Changes the preset file and has the router read it: the file is put back where the router refuses it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import exclusive, make_dir, write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.runners.llama_server import preset_file
from laimark_sidecar.runners.llama_server.adapter_files import AdapterFiles
from laimark_sidecar.runners.llama_server.sections import Options, Section, render
from laimark_sidecar.runners.llama_server.settings import RouterSettings

log = logging.getLogger(__name__)
LOCK_WAIT_S = 30.0


class Presets:
    """The preset file of one managed llama-server, and the adapters that its sections name."""

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings
        self._options: Options = settings.options
        self.adapters = AdapterFiles(settings.adapters)

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
        """Return the file's content, its line ends included; empty where there is none.

        Raises:
            RunnerError: it is not UTF-8, which llama-server refuses to read as well (measured); names the line.
        """
        try:
            content = self._settings.preset.read_bytes()
        except FileNotFoundError:
            return ""
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise RunnerError(
                f"{self._settings.preset}: line {line} is not UTF-8, and llama-server reads nothing else",
                hint="save that file as UTF-8",
            ) from error

    def require_free(self, section: Section) -> None:
        """Look whether `put` would take a section; changes nothing.

        Raises:
            RunnerError: one of its names is something else's.
        """
        self._with(self.text(), section, None)

    def seed(self, sections: Mapping[Section, Path | None]) -> None:
        """Replace all sections of ours by these, durably; what others wrote stays. For a router that is not running.

        One whose name is something else's already is left out, with a warning: it must not keep all others from being
        served. Adapters that no section names any more are deleted.

        Args:
            sections: with the adapter of each, None for the base; an adapter that cannot be read raises.

        Raises:
            RunnerError: a name of the base is somebody else's, or an adapter cannot be read.
        """
        text = preset_file.without_ours(self.text())
        served: set[str] = set()
        for section, adapter in sections.items():
            kept = self.adapters.keep(adapter, section.sha256) if adapter else None
            try:
                text = self._with(text, section, kept)
            except RunnerError as error:
                if section.kind == "base":
                    raise
                log.warning(
                    "not serving %s: %s", section.name, error, extra=action("llama_server.name-taken")
                )
            else:
                served.add(section.sha256)
        self._write(text)
        self.adapters.keep_only(served)

    def put(self, section: Section, reload: Callable[[], object]) -> None:
        """Write a section, in place of the one that its name had, and `reload`; refused, the file is what it was.

        Raises:
            RunnerError: the name is somebody else's, or the router refuses the file.
        """
        adapter = self.adapters.path(section.sha256) if section.sha256 else None
        self._change(self._with(self.text(), section, adapter), reload)

    def remove(self, section: Section, reload: Callable[[], object]) -> None:
        """Remove a section and `reload`; an adapter that no section names any more is deleted."""
        self._change(preset_file.without_section(self.text(), section.id), reload)
        if section.sha256 and section.sha256 not in self.text():
            self.adapters.path(section.sha256).unlink(missing_ok=True)

    def _with(self, text: str, section: Section, adapter: Path | None) -> str:
        rendered = render(section, self._options, adapter)
        return preset_file.with_section(text, preset_file.Block(id=section.id, text=rendered))

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
        try:
            make_dir(self._settings.folder)
            write_atomic(self._settings.preset, text.encode("utf-8"))
        except OSError as error:
            raise RunnerError(
                f"{self._settings.preset} cannot be written: {error.strerror}",
                hint="nothing was changed; make room on the disk",
            ) from error
