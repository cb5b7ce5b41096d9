"""The keys of a loaded GGUF, as text."""

from __future__ import annotations

import ctypes
from typing import Any

_BYTES = 1 << 20


def metadata(library: Any, model: Any, key: str) -> str:
    """Return a value as text, empty where the file has none; broken UTF-8 is replaced.

    Args:
        library: the `llama_cpp` module.
        model: pointer to a loaded model.
        key: for example `tokenizer.chat_template`.
    """
    buffer = ctypes.create_string_buffer(_BYTES)
    length = library.llama_model_meta_val_str(model, key.encode(), buffer, _BYTES)
    return buffer.value.decode("utf-8", "replace") if length > 0 else ""
