"""Finds llama.cpp and keeps its log lines, so that an error message can quote the reason of a failure."""

from __future__ import annotations

import ctypes
import functools
import os
from collections import deque
from typing import Any

from laimark_sidecar.errors import MissingExtraError

_WARN = 3
_ERROR = 4
_CONTINUE = 5

_reasons: deque[str] = deque(maxlen=32)


@functools.cache
def library() -> Any:
    """Return the `llama_cpp` module, its backend initialised and its chatter taken off stderr.

    Raises:
        MissingExtraError: llama-cpp-python is not installed, or its shared library does not load.
    """
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingExtraError(
            f"llama.cpp cannot be loaded: {error}", hint='pip install "laimark-sidecar[embedded]"'
        ) from error
    llama_cpp.llama_log_set(_log_callback(llama_cpp), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


@functools.cache
def _log_callback(llama_cpp: Any) -> Any:
    # Cached for ever: llama.cpp keeps the bare pointer, and a collected callback is a crash at the next log line.
    keep = False

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def on_line(level: int, text: bytes, _user_data: object) -> None:
        nonlocal keep
        if level != _CONTINUE:
            keep = level in (_WARN, _ERROR)
        if keep:
            _reasons.append(text.decode("utf-8", "replace").strip())

    return on_line


def forget_reasons() -> None:
    """Drop the log lines kept so far: what is quoted next belongs to the next call."""
    _reasons.clear()


def reason() -> str:
    """Return the last warning or error that llama.cpp wrote since `forget_reasons`, or a plain statement that none was."""
    lines = [line for line in _reasons if line]
    return lines[-1] if lines else "llama.cpp gave no reason"


def default_threads() -> int:
    """Return half of the logical cores: hyper-threads do not help, and threads = cores stalls under load."""
    return max(1, (os.cpu_count() or 2) // 2)
