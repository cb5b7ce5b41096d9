"""The user's own Ollama as a `Runner`. Its names are a cache: the sidecar's registry stays the truth.

Every version is an immutable name, created FROM the pristine base and never from a tuned one (adapters would stack);
a moving name is a copy of a version's manifest, the smallest write there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import LaimarkError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.ollama import answering, quiet
from laimark_sidecar.runners.ollama.api import SLOW, Loaded, OllamaApi, Shown
from laimark_sidecar.runners.ollama.blob import base_blob
from laimark_sidecar.runners.ollama.catalogue import Catalogue
from laimark_sidecar.runners.ollama.connection import Connection, OllamaRefusedError
from laimark_sidecar.runners.ollama.marker import OF_THE_BASE, UNCHECKED, Marker, Name, canonical, render
from laimark_sidecar.runners.ollama.registration import (
    Merge,
    refuses_adapters,
    register_adapter,
    register_merged,
    takes_adapters,
)
from laimark_sidecar.runners.ollama.settings import is_like
from laimark_sidecar.runners.ollama.shown import parameters
from laimark_sidecar.runners.runner import Activity, Capabilities, Rendering, Reply, Served

_LOGPROBS_SINCE = (0, 12, 11)
_RENDERS_SINCE = (0, 12)
_POLL_S = 0.05


class OllamaRunner:
    """Talks to a running Ollama. May be used from several threads; one process at a time may register.

    Args:
        url: for example `http://127.0.0.1:11434`.
        base: local name of the pristine base.
        moving: names that only we point, such as `me:latest`; what is before their colons begins our names.
        versions: versions that may be called otherwise, from before somebody changed how ours are called.
        identify: returns the identity of a GGUF now.
        merge: called only where adapters are refused, or not wanted.
        clock: for the idle time.
        observed: file in which what was last seen in memory is remembered.
        adapters: False registers merged models even where adapters are taken; True never merges; None asks.
        timeout_s: longest silence in one call; twenty times as long where a model is loaded.

    Raises:
        ConfigError: the URL is not an http one.
    """

    def __init__(
        self,
        url: str,
        base: str,
        *,
        moving: Collection[str],
        versions: Collection[str] = (),
        identify: Callable[[Path], BaseIdentity],
        merge: Merge,
        clock: Clock,
        observed: Path,
        adapters: bool | None = None,
        timeout_s: float = 30,
    ) -> None:
        self._api = OllamaApi(Connection(url, timeout_s=timeout_s))
        self._base = base
        self._catalogue = Catalogue(self._api, base, moving, versions)
        self._identify = identify
        self._merge = merge
        self._adapters = adapters
        self._clock = clock
        self._observed = observed
        self._timeout_s = timeout_s
        # By release and base: Ollama may be upgraded, and the base replaced, while we run.
        self._taken: dict[tuple[str, str], bool] = {}

    def capabilities(self) -> Capabilities:
        shown, version = self._catalogue.pristine_base(), self._api.version()
        return Capabilities(
            adapters=self._takes_adapters(version, shown) and self._adapters is not False,
            logprobs=_is_since(version, _LOGPROBS_SINCE),
            hot_register=True,
            switch_per_request=True,
            renders=_is_since(version, _RENDERS_SINCE),
            records=False,
            tells_busy=False,
        )

    def base(self) -> BaseIdentity:
        return self._identify(base_blob(self._catalogue.local_base().modelfile))

    def served(self) -> Served:
        shown = self._catalogue.local_base()
        return Served(path=base_blob(shown.modelfile), context=self._context(shown))

    def names(self) -> dict[str, str]:
        return self._catalogue.served(self._catalogue.read())

    def register(self, version: str, adapter: Path) -> None:
        try:
            marker = Marker(version=version, adapter_sha256=sha256_file(adapter))
        except OSError as error:
            raise RunnerError(f"adapter {adapter} cannot be read: {error.strerror}") from error
        shown, names = self._catalogue.pristine_base(), self._catalogue.read()
        for name in (version, version + UNCHECKED):
            self._catalogue.check_free(name, names)
        if known := names.get(canonical(version)):
            if known.marker != marker:
                raise RunnerError(f"{version} in Ollama was made of another adapter; versions never change")
            self._forget_unchecked(version, names)
            return
        try:
            with self._asking():
                self._register(shown, marker, adapter)
        except LaimarkError as error:
            raise RunnerError(f"adapter {adapter} is not served: {error}", hint=error.hint) from error

    def _register(self, shown: Shown, marker: Marker, adapter: Path) -> None:
        version = self._api.version()
        if self._adapters or (self._adapters is None and self._takes_adapters(version, shown)):
            try:
                register_adapter(self._api, self._base, marker, adapter)
            except OllamaRefusedError as error:
                if self._adapters or not refuses_adapters(error):
                    raise
                self._taken[version, shown.modelfile] = False
            else:
                return
        base_blob(shown.modelfile)
        register_merged(self._api, shown, marker, adapter, self._merge)

    def _takes_adapters(self, version: str, shown: Shown) -> bool:
        place = (version, shown.modelfile)
        if place not in self._taken:
            self._taken[place] = takes_adapters(self._api, self._base)
        return self._taken[place]

    def require_movable(self, name: str) -> None:
        self._movable(name, self._catalogue.read())

    def _movable(self, name: str, names: dict[str, Name]) -> Name | None:
        """Return what a moving name is now; raises for one that does not move."""
        self._catalogue.check_free(name, names)
        current = names.get(canonical(name))
        if canonical(name) == canonical(self._base) or (
            current and current.marker and canonical(current.marker.version) == canonical(name)
        ):
            raise RunnerError(f"{name} is a base or a version, which never moves", hint="choose another name")
        return current

    def point(self, name: str, version: str) -> None:
        names = self._catalogue.read()
        current = self._movable(name, names)
        if not version:
            shown = self._catalogue.pristine_base()
            # Made anew where the base was replaced since.
            if not (current and current.marker == OF_THE_BASE and is_like(self._api.show(name), shown)):
                self._api.create(name, {"from": self._base, "license": [render(OF_THE_BASE)]})
                self._require_moved(name, "", "")
            return
        target = names.get(canonical(version))
        if target is None or not self._catalogue.ours(version, names):
            raise RunnerError(f"Ollama has no version {version} of ours", hint="register it first")
        if current is None or current.digest != target.digest:
            self._api.copy(version, name)
            self._require_moved(name, version, target.digest)

    def _require_moved(self, name: str, version: str, digest: str) -> None:
        """Look whether a name is what it was made to be: a proxy between us may say 200 to anything."""
        found = self._catalogue.read().get(canonical(name))
        moved = found and (found.digest == digest if version else found.marker == OF_THE_BASE)
        if not moved:
            raise RunnerError(
                f"{name} is not {version or 'the base'}, though Ollama at {self._api.url} said that it did it",
                hint="is there something between the sidecar and Ollama?",
            )

    def withdraw(self, name: str) -> None:
        names = self._catalogue.read()
        if canonical(name) == canonical(self._base):
            raise RunnerError(f"{name} is the base and cannot be withdrawn")
        self._forget_unchecked(name, names)
        found = names.get(canonical(name))
        if found is None:
            return
        # Who takes a moving name away has forgotten that it moves, when a crash made it ask twice.
        if found.marker != OF_THE_BASE:
            self._catalogue.check_free(name, names)
        served = self._catalogue.served(names)
        if holders := sorted(other for other, version in served.items() if version == name != other):
            raise RunnerError(f"{name} still answers for {', '.join(holders)}: point that elsewhere first")
        self._api.delete(name)

    def _forget_unchecked(self, version: str, names: dict[str, Name]) -> None:
        """Delete what a registration that was killed half-way left: a merged one is as large as the base."""
        unchecked = version + UNCHECKED
        if canonical(unchecked) in names and self._catalogue.ours(unchecked, names):
            self._api.delete(unchecked)

    def activity(self) -> Activity:
        """Ollama does not tell that it is busy: see `quiet`."""
        return quiet.activity(self._api.loaded(), self._observed, self._clock.now_s())

    def generate(
        self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
    ) -> Reply:
        try:
            with self._asking():
                return answering.answer(self._api, model, messages, max_tokens=max_tokens, logprobs=logprobs)
        except OllamaRefusedError as error:
            if error.status != 404:
                raise
            served = ", ".join(sorted(self.names()))
            raise RunnerError(f"Ollama has no {model[:200]!r}; served names: {served}") from error

    def render(self, messages: Sequence[Message]) -> Rendering:
        """Ollama tells no tokens: see `prompt_tokens`."""
        with self._asking():
            return Rendering(text=self._api.rendered(self._base, messages), tokens=None)

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens Ollama makes of a conversation, begin-of-text included: it answers one and tells.

        Raises:
            RunnerError: not reachable or refused.
        """
        with self._asking():
            return self._api.chat(self._base, messages, max_tokens=1).prompt_eval_count

    def _asking(self) -> AbstractContextManager[None]:
        longest_s = SLOW * self._timeout_s
        return quiet.asking(self._api.loaded, self._observed, self._clock, longest_s=longest_s)

    def unload(self) -> None:
        """It returns when Ollama lists none of our names any more; the memory may take a moment longer."""
        deadline_s = self._clock.monotonic_s() + self._timeout_s
        while ours := self._loaded():
            if self._clock.monotonic_s() > deadline_s:
                raise RunnerError(
                    f"Ollama still holds {', '.join(ours)} in memory after {self._timeout_s:.0f} s",
                    hint="an answer may be running; try again when it is done",
                )
            for name in ours:
                self._api.unload(name)
            time.sleep(_POLL_S)

    def _context(self, shown: Shown) -> int:
        """Return what a plain request gets: as the base says, else as it is loaded. What it was trained for is more."""
        if isinstance(told := parameters(shown.parameters).get("num_ctx"), int):
            return told
        return next((one.context_length for one in self._loaded().values()), 0)

    def _loaded(self) -> dict[str, Loaded]:
        """Return what is in memory of the base and of ours, by a name that is there: a trial's is deleted at its end."""
        served = {canonical(name) for name in self.names()}
        found = {canonical(one.name).removesuffix(UNCHECKED): one for one in self._api.loaded()}
        return {name: one for name, one in found.items() if name in served}


def _is_since(version: str, release: tuple[int, ...]) -> bool:
    """Compare releases; a build from source calls itself 0.0.0 and counts as new."""
    numbers = tuple(int(part[:9]) for part in version.partition("-")[0].split(".") if part.isdecimal())
    return numbers >= release or not any(numbers)
