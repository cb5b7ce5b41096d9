"""Everything that one server process holds: the engine, the template, the recorder, and the adapters' digests."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import DataError, LaimarkError, RunnerError
from laimark_sidecar.journal.consent_file import ConsentFile
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.identity import identify
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.logs import action
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.engine import Engine
from laimark_sidecar.runners.embedded.probe import all_survive, probe, verified_sha256
from laimark_sidecar.runners.embedded.recorder import Recorder
from laimark_sidecar.runners.embedded.settings import ServeSettings
from laimark_sidecar.runners.runner import Rendering

log = logging.getLogger(__name__)

_LOAD_TIMEOUT_S = 300.0


class Service:
    """The server without its HTTP. Methods may be called from any thread.

    Args:
        settings: as started.
        clock: for times in the log and idle time.

    Raises:
        RunnerError: the base cannot be loaded.
    """

    def __init__(self, settings: ServeSettings, *, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        base = Base(settings.base_path, context=settings.context, threads=settings.threads)
        found = identify(base)
        self.identity = BaseIdentity(
            sha256=found.sha256,
            architecture=found.architecture,
            template_sha256=found.template_sha256,
            tokenizer_sha256=found.tokenizer_sha256,
            name=settings.base_name,
        )
        self._vocabulary = base.vocabulary
        self._template = _template(base, clock)
        self._reference_template = _template(base, REFERENCE_CLOCK)
        self.engine = Engine(base, settings.base_name, clock=clock)
        self.recorder = Recorder(
            _journal(settings, clock),
            clock=clock,
            base_sha256=found.sha256,
            folder=settings.journal_folder,
        )
        self._consent = None if settings.consent is None else ConsentFile(settings.consent)
        self._registering = threading.Lock()
        self._digests: dict[str, str] = {}

    def permits(self, model: str, client: str, *, since_s: float) -> bool:
        """Whether the user wanted what a client says to a model recorded, all the time since then.

        Every model here is his own.
        """
        if self._consent is None:
            return True
        consent = self._consent.now()
        return (
            consent is not None
            and consent.unbroken_since(since_s)
            and consent.covers_client(client)
            and consent.covers_model(model, (model,))
        )

    def chat_tokens(self, messages: tuple[Message, ...], *, reference: bool = False) -> list[int]:
        """Return the prompt of a conversation; raises ApiError 400 where the template refuses it or it is too long.

        Args:
            messages: the conversation.
            reference: date it as training and validation do, for the sidecar's own questions (`REFERENCE_CLOCK`).
        """
        text = _rendered(self._reference_template if reference else self._template, messages)
        return self._fitting(self._vocabulary.prompt(text))

    def rendering(self, messages: tuple[Message, ...]) -> Rendering:
        """Return a client's prompt as text and tokens, however long; raises ApiError 400 where the template refuses it."""
        text = _rendered(self._template, messages)
        return Rendering(text=text, tokens=tuple(self._vocabulary.prompt(text)))

    def text_tokens(self, text: str) -> list[int]:
        """Return the prompt of a plain completion; raises ApiError 400 where it is too long."""
        return self._fitting(self._vocabulary.tokenize(text, bos=True))

    def register(self, version: str, path: Path, sha256: str) -> None:
        """Probe an adapter in a child, then load and serve it under its immutable name.

        The same name with the same content does nothing, so a call may be repeated.

        Raises:
            ApiError: 409 the name is taken by something else, 422 the adapter is bad; says why.
        """
        self._register(version, path, sha256, probed=False)

    def _register(self, version: str, path: Path, sha256: str, *, probed: bool) -> None:
        with self._registering:
            try:
                digest = self._check(version, path, sha256, probed=probed)
                if digest is None:
                    return
                self._digests[version] = digest
                self.engine.register(version, path).result(_LOAD_TIMEOUT_S)
            except ApiError:
                raise
            except TimeoutError as error:
                raise ApiError(
                    503, f"{version!r} was not loaded in time", kind="server_error", code="busy"
                ) from error
            except RunnerError as error:
                raise ApiError(422, str(error), param="path", code="bad_adapter") from error
        log.info("serving %s", version, extra=action("embedded.register"))

    def withdraw(self, version: str) -> None:
        """Stop serving a version; returns at once, its memory is freed after the requests already queued."""
        self.engine.withdraw(version)
        log.info("withdrew %s", version, extra=action("embedded.withdraw"))

    def install(self) -> None:
        """Register the adapters and names of the settings; a bad one is left out with a warning, the others serve."""
        adapters = self.settings.adapters
        probed = bool(adapters) and all_survive(self.settings.base_path, list(adapters.values()))
        for version, path in adapters.items():
            try:
                self._register(version, path, "", probed=probed)
            except LaimarkError as error:
                log.warning("not serving %s: %s", version, error, extra=action("embedded.install.failed"))
        for name, version in self.settings.names.items():
            try:
                self.engine.point(name, version)
            except LaimarkError as error:
                log.warning("not serving %s: %s", name, error, extra=action("embedded.install.failed"))

    def close(self) -> None:
        """Close the journal, then free the model."""
        self.recorder.close()
        self.engine.close()

    def _check(self, version: str, path: Path, sha256: str, *, probed: bool) -> str | None:
        """Return the digest of an adapter that may be loaded, None where it is served already."""
        held = self._digests.get(version) if version in self.engine.names() else None
        if held is None:
            if probed:
                return verified_sha256(path, sha256)
            return probe(self.settings.base_path, path, sha256=sha256)
        if held != verified_sha256(path, sha256):
            raise ApiError(
                409, f"{version!r} already serves another adapter; versions never change", code="name_taken"
            )
        return None

    def _fitting(self, tokens: list[int]) -> list[int]:
        context = self.engine.context
        if len(tokens) >= context:
            raise ApiError(
                400,
                f"the prompt has {len(tokens)} tokens; the context holds {context} with the answer",
                param="messages",
                code="context_length_exceeded",
            )
        if not tokens:
            raise ApiError(400, "the prompt has no tokens", param="prompt")
        return tokens


def _template(base: Base, clock: Clock) -> ChatTemplate | None:
    try:
        return ChatTemplate(base.template, bos=base.vocabulary.bos, eos=base.vocabulary.eos, clock=clock)
    except DataError as error:
        log.warning("chat is off: %s", error, extra=action("embedded.template.failed"))
        return None


def _rendered(template: ChatTemplate | None, messages: tuple[Message, ...]) -> str:
    if template is None:
        raise ApiError(
            400, "the base model has no usable chat template; use /v1/completions", code="no_template"
        )
    try:
        return template.render(messages)
    except DataError as error:
        raise ApiError(400, str(error), param="messages") from error


def _journal(settings: ServeSettings, clock: Clock) -> JournalWriter | None:
    if settings.journal_folder is None or not settings.record:
        return None
    return JournalWriter(
        settings.journal_folder, clock=clock, fsync=settings.fsync, segment_bytes=settings.segment_bytes
    )
