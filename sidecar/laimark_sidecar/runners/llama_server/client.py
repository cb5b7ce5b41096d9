"""The sidecar's side of a managed llama-server: a `Runner` over router mode.

Every version is a section of its own that is never changed, so a new one leaves all streams alone. A moving name
(`me:latest`) is a section too, whose adapter is changed while nobody is asking it: llama-server can move neither an
alias (the router wedges) nor the adapter of a running process. The other way, to map moving names to versions in front
of the router, needs something that all requests pass; that is the gateway's place, which then makes the swap and its
one weakness unnecessary: a request that arrives within the milliseconds between the last look (nobody asks) and the
swap is cut. Until a name is quiet it answers with the old version, and `point` says so after `patience_s`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.base_file import readable
from laimark_sidecar.runners.llama_server import idle
from laimark_sidecar.runners.llama_server.adapter_files import digest_of
from laimark_sidecar.runners.llama_server.asking import ask
from laimark_sidecar.runners.llama_server.connection import RefusedError
from laimark_sidecar.runners.llama_server.log_file import size_of, trouble_since
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.rendering import render
from laimark_sidecar.runners.llama_server.router import Model, Router, listed
from laimark_sidecar.runners.llama_server.sections import BASE_ALIAS, Section, read_tags
from laimark_sidecar.runners.llama_server.settings import RouterSettings
from laimark_sidecar.runners.llama_server.unloading import unload
from laimark_sidecar.runners.runner import Activity, Capabilities, Rendering, Reply, Served

_TRIAL = (Message(role="user", content="The quick brown fox jumps over the lazy dog."),)
_TRIAL_TOKENS = 4


class _Role(msgspec.Struct):
    role: str = ""


class LlamaServerRunner:
    """Talks to the llama-server that `settings` describe. May be used from several threads and processes.

    Args:
        settings: as it was started.
        identify: returns the identity of a GGUF now.
        clock: for the idle time.
        timeout_s: longest silence of the server in one call, and longest wait for a process to end.
        patience_s: longest wait for a name to be quiet before it is moved, withdrawn or unloaded.
    """

    def __init__(
        self,
        settings: RouterSettings,
        *,
        identify: Callable[[Path], BaseIdentity],
        clock: Clock,
        timeout_s: float = 30,
        patience_s: float = 30,
    ) -> None:
        self._settings = settings
        self._identify = identify
        self._clock = clock
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._router = Router(settings.url, timeout_s=timeout_s)
        self._presets = Presets(settings)

    def capabilities(self) -> Capabilities:
        if self._router.read(self._router.call("GET", "/props"), _Role).role != "router":
            raise RunnerError(
                f"llama-server at {self._settings.url} is not in router mode",
                hint="stop it, and let the sidecar start one: laimark-sidecar runner start",
            )
        return Capabilities(
            adapters=True,
            logprobs=True,
            hot_register=True,
            switch_per_request=True,
            renders=True,
            records=False,
        )

    def base(self) -> BaseIdentity:
        return self._identify(self.served().path)

    def served(self) -> Served:
        model = listed(self._router.models(), self._settings.base_name)
        if model is None or model.model is None:
            raise RunnerError(
                f"llama-server at {self._settings.url} does not serve {self._settings.base_name!r}: "
                "it was not started by this home",
                hint="laimark-sidecar runner stop, then: laimark-sidecar runner start",
            )
        return Served(path=readable(model.model), context=model.context)

    def names(self) -> dict[str, str]:
        """Names of sections that the sidecar did not write are not its business and are left out."""
        found = [section for section, _ in self._sections(self._router.models()).values()]
        served = {section.name: section.version for section in found}
        if any(section.kind == "base" for section in found):
            served[BASE_ALIAS] = ""
        return served

    def register(self, version: str, adapter: Path) -> None:
        """A version is tried as soon as it is there: its process is started and asked. One that fails goes again."""
        section = Section(name=version, kind="version", version=version, sha256=digest_of(adapter))
        with self._presets.changing():
            served = self._router.models()
            found = self._ours(served, version, kind="version")
            if found is not None and found[0] != section:
                raise RunnerError(f"{version!r} already serves another adapter; versions never change")
            if found is not None and not found[1].status.failed:
                return
            self._presets.adapters.keep(adapter, section.sha256)
            said_before = size_of(self._settings.log)
            self._presets.put(section, self._reload)
            try:
                self._try(section)
            except RunnerError as error:
                said = trouble_since(self._settings.log, said_before)
                self._presets.remove(section, self._reload)
                raise RunnerError(
                    f"adapter {adapter} is not served: {error}" + (f": {said}" if said else ""),
                    hint=f"see {self._settings.log}",
                ) from error

    def require_movable(self, name: str) -> None:
        self._ours(self._router.models(), name, kind="moving")
        # What the user wrote after the router read the file counts as well.
        self._presets.require_free(Section(name=name, kind="moving"))

    def point(self, name: str, version: str) -> None:
        """A name that is being asked is waited for; see the module. Its process, if it had one, is started again.

        Raises:
            RunnerError: the version is not served, the name is not one that moves, or it was not quiet in time.
        """
        with self._presets.changing():
            served = self._router.models()
            if not version:
                sha256 = ""
            elif target := self._ours(served, version, kind="version"):
                sha256 = target[0].sha256
            else:
                raise self._unknown(version, served)
            found = self._ours(served, name, kind="moving")
            section = Section(name=name, kind="moving", version=version, sha256=sha256)
            if found is not None and found[0] == section:
                return
            if found is None or not found[1].running:
                self._presets.put(section, self._reload)
                return
            idle.wait_until_quiet(self._router, found[1], timeout_s=self._patience_s)
            self._presets.put(section, self._reload)
            self._try(section)

    def withdraw(self, name: str) -> None:
        """Requests in flight are waited for, and then the name goes.

        Raises:
            RunnerError: it is the base, somebody else's, a version that a moving name points at, or was not quiet in
                time.
        """
        with self._presets.changing():
            served = self._router.models()
            model = listed(served, name)
            if model is None:
                return
            found = self._sections(served).get(model.id)
            if found is None or found[0].kind == "base":
                raise RunnerError(f"{name!r} is the base, or not the sidecar's, and cannot be withdrawn")
            section = found[0]
            if holders := self._holders(served, name):
                raise RunnerError(
                    f"{name!r} still answers for {', '.join(holders)}: point that elsewhere first"
                )
            idle.wait_until_quiet(self._router, model, timeout_s=self._patience_s)
            self._presets.remove(section, self._reload)

    def activity(self) -> Activity:
        return idle.activity(idle.loads_of(self._router), self._settings.observed, self._clock.now_s())

    def generate(
        self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
    ) -> Reply:
        try:
            return ask(self._router, model, messages, max_tokens=max_tokens, logprobs=logprobs)
        except RefusedError:
            served = self._router.models()
            if listed(served, model) is None:
                raise self._unknown(model, served) from None
            raise

    def render(self, messages: Sequence[Message]) -> Rendering:
        return render(self._router, self._settings.base_name, messages)

    def unload(self) -> None:
        with self._presets.changing():
            for _, model in self._sections(self._router.models()).values():
                unload(self._router, model, patience_s=self._patience_s, timeout_s=self._timeout_s)

    def _sections(self, served: Sequence[Model]) -> dict[str, tuple[Section, Model]]:
        """Return our sections as the router knows them, by their id; a user's copy of one has an id of its own."""
        read = ((model, read_tags(model.tags)) for model in served)
        return {
            model.id: (section, model)
            for model, section in read
            if section is not None and section.id == model.id
        }

    def _ours(self, served: tuple[Model, ...], name: str, *, kind: str) -> tuple[Section, Model] | None:
        """Return our section of this name; raises where the name is taken by something else."""
        model = listed(served, name)
        if model is None:
            return None
        found = self._sections(served).get(model.id)
        if found is None or found[0].kind != kind or found[0].name != name:
            raise RunnerError(
                f"{name!r} is already the name of something else",
                hint=f"choose another name, or rename its section in {self._settings.preset}",
            )
        return found

    def _holders(self, served: Sequence[Model], version: str) -> list[str]:
        sections = (section for section, _ in self._sections(served).values())
        return sorted(one.name for one in sections if one.version == version != one.name)

    def _try(self, section: Section) -> None:
        ask(self._router, section.name, _TRIAL, max_tokens=_TRIAL_TOKENS, logprobs=1)

    def _reload(self) -> None:
        self._router.models(reload=True)

    def _unknown(self, name: str, served: Sequence[Model]) -> RunnerError:
        names = sorted(section.name for section, _ in self._sections(served).values())
        return RunnerError(f"{name[:200]!r} is not served; served names: {', '.join(names)}")
