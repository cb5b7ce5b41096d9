"""The sidecar's side of a managed llama-server with one model: a `Runner` over one process and one KV cache.

For binaries from before router mode (December 2025), and where the memory for a process a name is not there. Versions are
loaded at the start, at scale 0; what every client gets, whatever it asks for, is the one at scale 1, which moves within a
request and cuts nothing. Our own questions choose by name. A version that is not loaded needs a new start, which waits
until nobody is asking, and while the base is loaded again nobody is answered. Its one weakness is that of router mode: a
request that arrives within the milliseconds between the last look and the end is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.base_file import readable
from laimark_sidecar.runners.embedded.probe import probe
from laimark_sidecar.runners.llama_server import idle
from laimark_sidecar.runners.llama_server.adapter_files import digest_of
from laimark_sidecar.runners.llama_server.asking import ask
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.rendering import render
from laimark_sidecar.runners.llama_server.sections import BASE_ALIAS, Section
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single import Loaded, Props, Single
from laimark_sidecar.runners.llama_server.single_follower import Follower, applies
from laimark_sidecar.runners.llama_server.single_names import Names, NamesFile
from laimark_sidecar.runners.runner import Activity, Capabilities, Rendering, Reply, Served

_ATTEMPTS = 3


class SingleRunner:
    """Talks to the llama-server that `settings` describe. May be used from several threads and processes.

    Args:
        settings: as it was started.
        server: the process, which is started again when a version is to be loaded.
        identify: returns the identity of a GGUF now.
        clock: for the idle time.
        timeout_s: longest silence of the server in one call.
        patience_s: longest wait for the server to be quiet before it is started again.
    """

    def __init__(
        self,
        settings: SingleSettings,
        *,
        server: ManagedServer,
        identify: Callable[[Path], BaseIdentity],
        clock: Clock,
        timeout_s: float = 30,
        patience_s: float = 30,
    ) -> None:
        self._settings = settings
        self._server = server
        self._identify = identify
        self._clock = clock
        self._single = Single(settings.url, timeout_s=timeout_s)
        self._file = NamesFile(settings)
        self._follower = Follower(
            settings, server=server, single=self._single, file=self._file, patience_s=patience_s
        )

    def capabilities(self) -> Capabilities:
        self._ours()
        return Capabilities(
            adapters=True,
            logprobs=True,
            hot_register=False,
            switch_per_request=False,
            renders=True,
            records=False,
        )

    def base(self) -> BaseIdentity:
        return self._identify(self.served().path)

    def served(self) -> Served:
        props = self._ours()
        return Served(
            path=readable(Path(props.model_path).resolve()),
            context=props.default_generation_settings.n_ctx,
        )

    def names(self) -> dict[str, str]:
        """The answering name is left out where the server applies something else than it says."""
        self._ours()
        names = self._file.read()
        moving = dict(names.moving)
        answering = self._settings.answering
        if answering in moving and not applies(self._single.adapters(), names, moving[answering]):
            del moving[answering]
        return {
            self._settings.base_name: "",
            BASE_ALIAS: "",
            **{version: version for version in names.versions},
            **moving,
        }

    def register(self, version: str, adapter: Path) -> None:
        """It is tried in a child first, then loaded by a new start once nobody is asking, and asked."""
        section = Section(name=version, kind="version", version=version, sha256=digest_of(adapter))
        with self._follower.changing():
            self._ours()
            before = self._file.read()
            if version in self._immovable() or version in before.moving:
                raise RunnerError(f"{version!r} is already the name of something else")
            if before.versions.get(version, section.sha256) != section.sha256:
                raise RunnerError(
                    f"{version!r} already serves another adapter; versions never change",
                    hint="where the registry is right, have the server's table made anew: "
                    "laimark-sidecar runner stop, then start",
                )
            if version in before.versions:
                self._file.adapters.keep(adapter, section.sha256)
                return
            probe(Path(self._ours().model_path), adapter, sha256=section.sha256)
            self._file.adapters.keep(adapter, section.sha256)
            after = before.with_version(version, section.sha256)
            try:
                self._follower.change(before, after, needs=section.sha256)
            except RunnerError as error:
                raise RunnerError(
                    f"adapter {adapter} is not served: {error}",
                    hint=error.hint or f"see {self._settings.log}",
                ) from error

    def require_movable(self, name: str) -> None:
        self._ours()
        self._require_movable(name, self._file.read())

    def _require_movable(self, name: str, names: Names) -> None:
        if name in self._immovable() or name in names.versions:
            raise RunnerError(f"{name!r} is already the name of something else", hint="choose another name")

    def point(self, name: str, version: str) -> None:
        """The answering name moves for all clients at once, from their next request on."""
        with self._follower.changing():
            self._ours()
            before = self._file.read()
            self._require_movable(name, before)
            if version and version not in before.versions:
                raise self._unknown(version, before)
            after = before.pointing(name, version)
            answers = name == self._settings.answering
            self._follower.change(before, after, needs=after.versions.get(version, "") if answers else "")

    def withdraw(self, name: str) -> None:
        with self._follower.changing():
            self._ours()
            before = self._file.read()
            if name in self._immovable():
                raise RunnerError(f"{name!r} is the base, and cannot be withdrawn")
            if holders := before.holders(name):
                raise RunnerError(
                    f"{name!r} still answers for {', '.join(holders)}: point that elsewhere first"
                )
            self._follower.change(before, before.without(name))

    def activity(self) -> Activity:
        self._ours()
        # A process that was started again has done nothing yet, which is no work.
        loads = {f"{self._server.pid()}": self._single.load()}
        return idle.activity(loads, self._settings.observed, self._clock.now_s())

    def generate(
        self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
    ) -> Reply:
        """A version that is not loaded is loaded first, as registering does."""
        for _ in range(_ATTEMPTS):
            names = self._file.read()
            sha256 = self._digest(model, names)
            loaded = self._loading(model, sha256)
            scales = {one.id: float(one.sha256 == sha256) for one in loaded}
            reply = ask(
                self._single,
                self._settings.base_name,
                messages,
                max_tokens=max_tokens,
                logprobs=logprobs,
                scales=scales,
            )
            self._follower.refresh()
            # Started again meanwhile, by another process, a position is perhaps another adapter's.
            if _places(self._single.adapters()) == _places(loaded):
                return reply
        raise RunnerError(f"{model}: llama-server was started again {_ATTEMPTS} times while it answered")

    def render(self, messages: Sequence[Message]) -> Rendering:
        self._ours()
        return render(self._single, self._settings.base_name, messages)

    def unload(self) -> None:
        """Nothing happens: its memory is the process's as long as that runs."""
        self._ours()

    def _ours(self) -> Props:
        props = self._single.props()
        if props.role == "router" or props.model_path != str(self._settings.model):
            raise RunnerError(
                f"llama-server at {self._settings.url} was not started by this home in single mode",
                hint="laimark-sidecar runner stop, then: laimark-sidecar runner start",
            )
        return props

    def _loading(self, model: str, sha256: str) -> tuple[Loaded, ...]:
        """Return what is loaded, the adapter of this digest among it."""
        loaded = self._single.adapters()
        if not sha256 or sha256 in {one.sha256 for one in loaded}:
            return loaded
        with self._follower.changing():
            self._ours()
            before = self._file.read()
            version = before.moving.get(model, model)
            if version not in before.versions:
                raise self._unknown(model, before)
            self._follower.change(before, before.with_version(version, sha256), needs=sha256)
        return self._single.adapters()

    def _digest(self, model: str, names: Names) -> str:
        """Return the digest of the adapter that answers to a name, empty for the base."""
        if model in self._immovable() or names.moving.get(model) == "":
            return ""
        version = names.moving.get(model, model)
        if version not in names.versions:
            raise self._unknown(model, names)
        return names.versions[version]

    def _immovable(self) -> tuple[str, str]:
        return self._settings.base_name, BASE_ALIAS

    def _unknown(self, name: str, names: Names) -> RunnerError:
        served = sorted({*self._immovable(), *names.versions, *names.moving})
        return RunnerError(f"{name[:200]!r} is not served; served names: {', '.join(served)}")


def _places(loaded: Iterable[Loaded]) -> dict[int, str]:
    return {one.id: one.path for one in loaded}
