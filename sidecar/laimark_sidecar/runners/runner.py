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
    """A request chooses among the names; else the runner answers every name with the one that is pointed at."""
    renders: bool
    """Tells the prompt that it makes of a conversation."""
    records: bool
    """What is said through it reaches the journal without a gateway."""
    tells_busy: bool = True
    """Its activity shows an answer while it is being written; else only that there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The base as the runner has it now."""

    path: Path
    """The GGUF file, readable by us."""
    context: int
    """Most tokens of prompt and answer together; 0 where the runner does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """The prompt that a runner makes of a conversation."""

    text: str
    """Before the tokenizer adds a begin-of-text token of its own."""
    tokens: tuple[int, ...] | None
    """What is decoded, begin-of-text included; None where the runner does not tell."""


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

    Every method blocks until it is done, may be called from several threads, and may be repeated: what is so already is
    left as it is. Unless a method says otherwise, it raises `RunnerError` when the runner is not reachable, is silent
    for longer than the timeout that the implementation was made with, or answers with an error; what was served before
    is served still then. A call that was broken off half-way (a crash of ours, of the runner) is mended by repeating it.
    """

    def capabilities(self) -> Capabilities:
        """Return what the runner that answers now can do; asked again after an upgrade it may say something else.

        Raises:
            RunnerError: also when what answers is another program.
        """
        ...

    def base(self) -> BaseIdentity:
        """Return the identity of the base being served *now* (not a remembered one).

        Blocks for seconds where a large file must be hashed.
        """
        ...

    def served(self) -> Served:
        """Return where the base's file is, as the runner has it now.

        Raises:
            RunnerError: also when the file may not be read by us; the hint says what to do.
        """
        ...

    def names(self) -> dict[str, str]:
        """Return every served name mapped to the immutable version behind it (`""` for the base).

        Names that somebody else gave are left out.
        """
        ...

    def register(self, version: str, adapter: Path) -> None:
        """Serve `adapter` (GGUF) under the immutable name `version`. Same name, same content: nothing happens.

        It is tried before anything can point at it. No stream is cut. Blocks as long as trying it takes: several
        timeouts where a model is loaded, and where `capabilities().hot_register` is false also until the runner is
        quiet. The file may be deleted afterwards.

        Raises:
            RunnerError: the adapter does not fit or was refused, or the name is another adapter's or somebody else's;
                what was served before is served still.
        """
        ...

    def require_movable(self, name: str) -> None:
        """Look whether `point` would take this name, before anything else is moved. Changes nothing.

        Raises:
            RunnerError: it is the base's, a version's or somebody else's; the hint says what to do.
        """
        ...

    def point(self, name: str, version: str) -> None:
        """Make the moving `name` (for example `me:latest`) answer with `version`; `""` is the base.

        Answers in flight end with what they began with. Until it returns, the name answers with the old version.

        Raises:
            RunnerError: the version is not served, the name is a version's or somebody else's, or it did not become
                quiet where the runner can move only a quiet one; it answers as before then.
        """
        ...

    def withdraw(self, name: str) -> None:
        """Stop serving a name. Requests in flight finish. An unknown name is not an error.

        Raises:
            RunnerError: it is the base's, somebody else's, or a version that a moving name points at.
        """
        ...

    def activity(self) -> Activity:
        """Return whether somebody uses it. One look; where the runner keeps no time, `idle_s` is since the first."""
        ...

    def generate(
        self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
    ) -> Reply:
        """Answer greedily (temperature 0), without the conversation log recording it.

        The same question has the same answer, whatever was asked before. It waits for answers that are queued before it.

        Args:
            model: any served name.
            messages: the conversation so far.
            max_tokens: stop after this many.
            logprobs: how many alternatives a token to return; 0 for none.

        Raises:
            RunnerError: also for an unknown name; the message lists the served ones.
            DataError: the model's chat template refuses the conversation.
        """
        ...

    def render(self, messages: Sequence[Message]) -> Rendering:
        """Return the prompt that the base would get for a client's conversation now, without generating.

        A template that prints the date prints today's. It may load the base.

        Raises:
            RunnerError: also when `capabilities().renders` is false, or the template refuses the conversation.
        """
        ...

    def unload(self) -> None:
        """Free the memory that the base and its names hold, as far as the runner can load them again by itself.

        Answers in flight end first; blocks until the memory is given back, at most the runner's timeout. The next
        request loads what it needs. Where the runner cannot (embedded), nothing happens.

        Raises:
            RunnerError: also when something is still loaded in the end.
        """
        ...
