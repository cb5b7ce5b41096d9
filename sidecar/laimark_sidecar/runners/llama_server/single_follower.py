"""Makes a llama-server in single mode do what the table of names says, or leaves both as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server import idle
from laimark_sidecar.runners.llama_server.asking import ask
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single import Loaded, Single
from laimark_sidecar.runners.llama_server.single_command import NO_PROMPT_CACHE
from laimark_sidecar.runners.llama_server.single_names import Names, NamesFile

_TRIAL = (Message(role="user", content="The quick brown fox jumps over the lazy dog."),)


class Follower:
    """Changes of one managed server; the table is written first, so that a killed process leaves what is meant.

    Args:
        settings: as it was started.
        server: the process.
        single: asks it.
        file: the table.
        patience_s: longest wait for the server to be quiet before it is started again.
    """

    def __init__(
        self,
        settings: SingleSettings,
        *,
        server: ManagedServer,
        single: Single,
        file: NamesFile,
        patience_s: float,
    ) -> None:
        self._settings = settings
        self._server = server
        self._single = single
        self._file = file
        self._patience_s = patience_s

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other processes out; a server that was being started again when its starter was killed is started."""
        with self._file.changing():
            if self._server.wanted():
                self._server.start(prepare=self._file.link)
            yield

    def change(self, before: Names, after: Names, *, needs: str = "") -> None:
        """Make the server follow a new table; where it cannot, table and server are what they were.

        Args:
            before: the table as it is.
            after: as it is to be.
            needs: digest of the adapter that must be loaded.
        """
        self._file.write(after, keeping=before)
        try:
            if needs and needs not in {one.sha256 for one in self._single.adapters()}:
                self._start_again()
                self._try(needs)
            self._apply(after)
        except RunnerError:
            self._file.write(before)
            if self._server.pid() is None:
                self._server.start(prepare=self._file.link)
            with suppress(RunnerError):  # told is why the change failed
                self._apply(before)
            raise
        self._file.write(after)

    def _start_again(self) -> None:
        idle.wait_until_idle(self._single.load, name="llama-server", timeout_s=self._patience_s)
        self._server.restart(prepare=self._file.link)

    def _try(self, sha256: str) -> None:
        scales = {one.id: float(one.sha256 == sha256) for one in self._single.adapters()}
        if 1.0 not in scales.values():
            raise RunnerError("llama-server was started again without it", hint=f"see {self._settings.log}")
        ask(self._single, self._settings.base_name, _TRIAL, max_tokens=4, logprobs=1, scales=scales)

    def _apply(self, names: Names) -> None:
        """Let everybody have what the answering name says."""
        target = names.moving.get(self._settings.answering, "")
        loaded = self._single.adapters()
        if applies(loaded, names, target):
            return
        sha256 = names.versions.get(target, "")
        self._single.apply((one.id, float(one.sha256 == sha256)) for one in loaded)
        if not applies(self._single.adapters(), names, target):
            raise RunnerError(f"llama-server does not apply {target or 'the base'}, though it was told to")
        self.refresh()

    def refresh(self) -> None:
        """Where prompts are cached, replace what is cached by a prompt under the adapter that everybody gets now.

        llama-server goes on from the cache of another adapter, whose keys and values are wrong (measured).
        """
        if not self._server.started_with(NO_PROMPT_CACHE):
            ask(self._single, self._settings.base_name, _TRIAL, max_tokens=1, logprobs=0)


def applies(loaded: Iterable[Loaded], names: Names, version: str) -> bool:
    """Say whether everybody gets exactly this version (`""`: the base), at its full scale."""
    applied = [(one.sha256, one.scale) for one in loaded if one.scale != 0]
    return applied == ([(names.versions[version], 1.0)] if version else [])
