"""The vocabulary and the chat template of a GGUF, without its weights: milliseconds, and no memory to speak of."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.library import forget_reasons, library, reason
from laimark_sidecar.llamacpp.metadata import metadata
from laimark_sidecar.llamacpp.vocabulary import Vocabulary


class VocabularyFile:
    """A GGUF of which only the keys are read; it may have no tensors at all.

    Args:
        path: the file.

    Raises:
        RunnerError: llama.cpp cannot read it; the message quotes its reason.
        MissingExtraError: llama.cpp is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._lib = library()
        forget_reasons()
        self._model: Any = None
        if not path.is_file():
            raise RunnerError(f"vocabulary {path} does not exist")
        options = self._lib.llama_model_default_params()
        options.vocab_only = True
        self._model = self._lib.llama_model_load_from_file(str(path).encode(), options)
        if not self._model:
            raise RunnerError(f"llama.cpp cannot read the vocabulary of {path}: {reason()}")
        self.vocabulary = Vocabulary(self._lib, self._lib.llama_model_get_vocab(self._model))
        self.template = metadata(self._lib, self._model, "tokenizer.chat_template")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free it; the vocabulary must not be asked any more. Safe to call twice."""
        if self._model:
            self._lib.llama_model_free(self._model)
            self._model = None
