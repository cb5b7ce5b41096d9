"""What the sidecar asks of a runner. Implementations declare what they can; nobody asks what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.registry.version import BaseIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this runner can do, as data, probed at start."""

    adapters: bool
    """Takes a LoRA GGUF (else only merged models)."""
    logprobs: bool
    hot_register: bool
    """Registers a name without a restart."""
    switch_per_request: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Is somebody using it? `idle_s` counts from the end of the last request; 0 while one runs."""

    busy: bool
    idle_s: float
    served: int
    """Requests finished since the runner started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One generated token with the runner's top alternatives, most likely first (natural log)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `tokens` is empty unless log-probs were asked for."""

    text: str
    finish: str
    tokens: tuple[TokenLogprob, ...] = ()


class Runner(Protocol):
    """A process that serves one base model under several names.

    Every method blocks, is safe to repeat, and raises `RunnerError` when the runner is not reachable within its
    timeout or answers with an error.
    """

    def capabilities(self) -> Capabilities: ...

    def base(self) -> BaseIdentity:
        """Return the identity of the base being served *now* (not a remembered one)."""
        ...

    def names(self) -> dict[str, str]:
        """Return every served name mapped to the immutable version behind it (`""` for the base)."""
        ...

    def register(self, version: str, adapter: Path) -> None:
        """Serve `adapter` (GGUF) under the immutable name `version`. Same name, same content: nothing happens.

        Raises:
            RunnerError: the adapter does not fit or was refused; what was served before is served still.
        """
        ...

    def point(self, name: str, version: str) -> None:
        """Make the moving `name` (for example `me:latest`) answer with `version`; `""` is the base."""
        ...

    def withdraw(self, name: str) -> None:
        """Stop serving a name. Requests in flight finish. An unknown name is not an error."""
        ...

    def activity(self) -> Activity: ...

    def generate(
        self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
    ) -> Reply:
        """Answer greedily (temperature 0), without the conversation log recording it.

        Args:
            model: any served name.
            messages: the conversation so far.
            max_tokens: stop after this many.
            logprobs: how many alternatives a token to return; 0 for none.
        """
        ...
