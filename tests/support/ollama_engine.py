"""The one slot of the Ollama stand-in: loads what a name is made of and answers with llama.cpp, one request at a time."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Adapter, Base
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.runners.embedded.generation import Event, generate
from laimark_sidecar.runners.embedded.sampling import Sampling

KEEP_ALIVE_S = 300.0
UNLOADING_S = 0.2


class ApiError(Exception):
    """Ollama's answer to a request that it refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Files:
    """What a name is made of. The slot belongs to the model file; other adapters mean loading it anew."""

    model: Path
    adapters: tuple[Path, ...]
    context: int


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is in memory, as `/api/ps` tells it."""

    name: str
    context: int
    expires_s: float


class Runner(Base):
    """What Ollama's own process for a model does otherwise than a bare llama.cpp.

    All adapters of a name act at once, as llama-server's `--lora` options do; and tokens of the last 64 become less
    likely, by 1.1 unless a question says otherwise, be it greedy (Ollama's `api/types.go`, `DefaultOptions`).
    """

    repeat_penalty = 1.1

    def set_adapter(self, adapter: Adapter | None, *, scale: float = 1.0) -> None:
        if adapter is None:
            super().set_adapter(None)
            return
        pointers = [one.pointer for one in self._adapters]
        kind = self._lib.llama_adapter_lora_p_ctypes * len(pointers)
        scales = (ctypes.c_float * len(pointers))(*[1.0] * len(pointers))
        assert self._lib.llama_set_adapters_lora(self._context, kind(*pointers), len(pointers), scales) == 0

    def clear(self, *, wipe: bool = False) -> None:
        super().clear(wipe=wipe)
        self._seen: list[int] = []

    def decode(self, tokens: Sequence[int], *, logits_from: int | None = None) -> NDArray[np.float32]:
        logits_tv = super().decode(tokens, logits_from=logits_from)
        self._seen = [*self._seen, *tokens][-64:]
        if self.repeat_penalty != 1:
            repeated = sorted(set(self._seen))
            logits = logits_tv[-1, repeated]
            logits_tv[-1, repeated] = np.where(
                logits > 0, logits / self.repeat_penalty, logits * self.repeat_penalty
            )
        return logits_tv


class Slot:
    """Owns the loaded model. Requests wait for each other; `held` may be asked at any time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._base: Runner | None = None
        self._files: Files | None = None
        self._name = ""
        self._expires_s = 0.0

    @contextmanager
    def loaded(self, name: str, files: Files, loading: Callable[[], None]) -> Iterator[Runner]:
        """Have a name in memory and nobody else in the slot.

        Args:
            name: as `/api/ps` tells it.
            files: what it is made of.
            loading: called where something must be loaded; may refuse.

        Raises:
            LaimarkError: llama.cpp cannot load the files.
        """
        with self._turn:
            if self._base is None or self._files != files:
                self._unload()
                loading()
                self._load(files)
            self._name, self._expires_s = name, time.monotonic() + KEEP_ALIVE_S
            assert self._base is not None
            leaving = self._expires_s
            try:
                yield self._base
            finally:
                if self._expires_s == leaving:  # else it was told to leave meanwhile
                    self._expires_s = time.monotonic() + KEEP_ALIVE_S

    def held(self) -> Held | None:
        if time.monotonic() > self._expires_s and self._turn.acquire(blocking=False):
            try:
                self._unload()
            finally:
                self._turn.release()
        base = self._base
        if base is None:
            return None
        return Held(name=self._name, context=base.context, expires_s=self._expires_s)

    def expire(self, files: Files) -> None:
        """Let a model leave: later, and after the answers in flight, as in Ollama."""
        if self._files is not None and self._files.model == files.model:
            self._expires_s = min(self._expires_s, time.monotonic() + UNLOADING_S)

    def _load(self, files: Files) -> None:
        base = Runner(files.model, context=files.context, threads=1)
        try:
            for adapter in files.adapters:
                base.load_adapter(adapter)
        except BaseException:
            base.close()
            raise
        self._base, self._files = base, files

    def _unload(self) -> None:
        if self._base is not None:
            self._base.close()
        self._base, self._files, self._name = None, None, ""


def render(base: Base, messages: Sequence[Message]) -> str:
    """Return the prompt. Ollama renders by a template in Go's language; the stand-in by the GGUF's own."""
    words = base.vocabulary
    template = ChatTemplate(base.template, bos=words.bos, eos=words.eos, clock=REFERENCE_CLOCK)
    return template.render(messages)


def answer(
    base: Runner, prompt: Sequence[int], sampling: Sampling, *, repeat_penalty: float
) -> Iterator[Event]:
    """Yield an answer's events, with all adapters of the loaded name."""
    base.repeat_penalty = repeat_penalty
    adapter = base._adapters[0] if base._adapters else None
    return generate(base, adapter, prompt, sampling, lambda: False)
