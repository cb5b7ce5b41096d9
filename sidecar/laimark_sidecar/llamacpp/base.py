"""One base model in memory, and the adapters that change it. Not thread-safe: one thread owns a `Base`."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.llamacpp.library import default_threads, forget_reasons, library, reason
from laimark_sidecar.llamacpp.metadata import metadata
from laimark_sidecar.llamacpp.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH_TOKENS = 512


class Adapter:
    """A LoRA loaded beside its base. Free it with `Base.unload`; closing the base frees all of them."""

    def __init__(self, path: Path, pointer: Any) -> None:
        self.path = path
        self.pointer = pointer


class Base:
    """A GGUF model with one context (one KV cache) of its own.

    Weights are memory-mapped where the file system can, so several processes share them.

    Args:
        path: the GGUF file.
        context: most tokens a conversation may have; cut to what the model was trained for.
        threads: for decoding; 0 chooses half of the cores.

    Raises:
        RunnerError: llama.cpp cannot load the file; the message quotes its reason.
        MissingExtraError: llama.cpp is not installed.
    """

    def __init__(self, path: Path, *, context: int = 4096, threads: int = 0) -> None:
        self._lib = library()
        self.path = path
        self._adapters: list[Adapter] = []
        self._position = 0
        self._model: Any = None
        self._context: Any = None
        self._batch: Any = None
        try:
            self._load(context, threads or default_threads())
        except BaseException:
            self.close()
            raise

    def _load(self, context: int, threads: int) -> None:
        lib = self._lib
        forget_reasons()
        if not self.path.is_file():
            raise RunnerError(f"base model {self.path} does not exist")
        self._model = lib.llama_model_load_from_file(
            str(self.path).encode(), lib.llama_model_default_params()
        )
        if not self._model:
            raise RunnerError(f"llama.cpp cannot load {self.path}: {reason()}")
        options = lib.llama_context_default_params()
        # Beyond its trained length a model answers nonsense: better to refuse the prompt.
        options.n_ctx = min(context, lib.llama_model_n_ctx_train(self._model))
        options.n_batch = _BATCH_TOKENS
        options.n_ubatch = _BATCH_TOKENS
        options.n_threads = threads
        options.n_threads_batch = threads
        options.no_perf = True
        if not lib.llama_supports_gpu_offload():
            # On a CPU flash attention moved logits by up to 0.09 with the batch size (measured, f16 demo base, 700
            # tokens) and was slower; without it a token's logits do not depend on how the prompt was cut.
            options.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = lib.llama_init_from_model(self._model, options)
        if not self._context:
            raise RunnerError(
                f"llama.cpp cannot make a context of {context} tokens for {self.path}: {reason()}"
            )
        self._memory = lib.llama_get_memory(self._context)
        self._batch = lib.llama_batch_init(_BATCH_TOKENS, 0, 1)
        self.context = int(options.n_ctx)
        self.vocabulary = Vocabulary(lib, lib.llama_model_get_vocab(self._model))
        self.architecture = self.metadata("general.architecture")
        self.template = self.metadata("tokenizer.chat_template")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free adapters, context and model, in this order; safe to call twice."""
        while self._adapters:
            self.unload(self._adapters[-1])
        if self._batch is not None:
            self._lib.llama_batch_free(self._batch)
            self._batch = None
        if self._context:
            self._lib.llama_free(self._context)
            self._context = None
        if self._model:
            self._lib.llama_model_free(self._model)
            self._model = None

    def metadata(self, key: str) -> str:
        """Return a GGUF value as text, empty where the file has none."""
        return metadata(self._lib, self._model, key)

    def load_adapter(self, path: Path) -> Adapter:
        """Load a LoRA GGUF without applying it.

        A damaged file can crash the whole process inside llama.cpp: probe files of unknown origin in a child first.

        Raises:
            RunnerError: missing, malformed, or made for another model; the message quotes llama.cpp's reason.
        """
        forget_reasons()
        pointer = self._lib.llama_adapter_lora_init(self._model, str(path).encode())
        if not pointer:
            raise RunnerError(f"llama.cpp refuses the adapter {path}: {reason()}")
        adapter = Adapter(path, pointer)
        self._adapters.append(adapter)
        return adapter

    def unload(self, adapter: Adapter) -> None:
        """Free an adapter; if it is the one applied, the plain base answers from now on."""
        self._adapters.remove(adapter)
        # The context holds a bare pointer to it: decoding after the free would be a use after free.
        if self._context:
            self.set_adapter(None)
        self._lib.llama_adapter_lora_free(adapter.pointer)
        adapter.pointer = None

    def set_adapter(self, adapter: Adapter | None, *, scale: float = 1.0) -> None:
        """Apply `adapter` alone, or none, to what is decoded from now on. Call `clear` as well: old KV answers otherwise."""
        lib = self._lib
        if adapter is None:
            code = lib.llama_set_adapters_lora(self._context, None, 0, None)
        else:
            pointers = (lib.llama_adapter_lora_p_ctypes * 1)(adapter.pointer)
            code = lib.llama_set_adapters_lora(self._context, pointers, 1, (ctypes.c_float * 1)(scale))
        if code != 0:
            raise RunnerError(f"llama.cpp cannot apply the adapter {adapter and adapter.path}: code {code}")

    def clear(self, *, wipe: bool = False) -> None:
        """Forget the conversation (the KV cache).

        Args:
            wipe: zero the memory too. Masked cells are multiplied by zero, which a stale NaN survives.
        """
        self._lib.llama_memory_clear(self._memory, wipe)
        self._position = 0

    def rewind(self, position: int) -> None:
        """Forget the conversation beyond its first `position` tokens: many answers to one prompt need it decoded once.

        Raises:
            DataError: the conversation is not that long.
            RunnerError: this architecture's memory cannot be cut; call `clear` before going on.
        """
        if not 0 <= position <= self._position:
            raise DataError(f"cannot rewind a conversation of {self._position} tokens to {position}")
        if not self._lib.llama_memory_seq_rm(self._memory, 0, position, -1):
            raise RunnerError(f"llama.cpp cannot cut the memory of {self.architecture} at {position}")
        self._position = position

    def decode(self, tokens: Sequence[int], *, logits_from: int | None = None) -> NDArray[np.float32]:
        """Append tokens to the conversation and return next-token logits.

        Args:
            tokens: at least one.
            logits_from: index in `tokens` of the first position whose logits are wanted; None: only the last.

        Returns:
            Logits `[len(tokens) - logits_from, vocabulary]`, a copy.

        Raises:
            DataError: the conversation would not fit the context; nothing was decoded.
            RunnerError: llama.cpp failed; call `clear` before going on.
        """
        import numpy as np

        if not tokens:
            raise DataError("nothing to decode: the token list is empty")
        if self._position + len(tokens) > self.context:
            raise DataError(f"{self._position + len(tokens)} tokens do not fit a context of {self.context}")
        first = len(tokens) - 1 if logits_from is None else logits_from
        rows = [
            self._decode_batch(tokens[start : start + _BATCH_TOKENS], first - start)
            for start in range(0, len(tokens), _BATCH_TOKENS)
        ]
        return np.concatenate(rows)

    def _decode_batch(self, tokens: Sequence[int], first: int) -> NDArray[np.float32]:
        import numpy as np

        batch = self._batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = self._position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = index >= first
        code = self._lib.llama_decode(self._context, batch)
        if code != 0:
            raise RunnerError(
                f"llama.cpp failed to decode {len(tokens)} tokens at {self._position}: code {code}"
            )
        self._position += len(tokens)
        wanted = len(tokens) - max(0, first)
        shape = (max(0, wanted), self.vocabulary.size)
        if wanted <= 0:
            return np.empty(shape, dtype=np.float32)
        return np.ctypeslib.as_array(self._lib.llama_get_logits(self._context), shape=shape).copy()
