"""Undoes a Content-Encoding, up to a bound: a few kilobytes of zeros can stand for gigabytes."""

from __future__ import annotations

import zlib
from typing import Protocol

from laimark_sidecar.errors import DataError

MAX_BODY_BYTES = 16 << 20
"""A longer request or answer, decompressed, is not recorded."""


class TooLongError(DataError):
    """A body has more bytes than are recorded."""


class Decoder(Protocol):
    """One body's encoding."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what this piece stands for; raises DataError where it is damaged or the body too long."""
        ...


def decoder_of(encoding: str) -> Decoder:
    """Return what undoes a Content-Encoding.

    Raises:
        DataError: one that is not known: br and zstd, which neither Ollama nor llama-server sends, are among them.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Inflating(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Inflating(zlib.MAX_WBITS)
        case unknown:
            raise DataError(f"a body with the Content-Encoding {unknown[:40]!r} is not recorded")


class _Plain:
    def __init__(self) -> None:
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        _refuse_longer(self._size)
        return chunk


class _Inflating:
    def __init__(self, window_bits: int) -> None:
        self._inflate = zlib.decompressobj(window_bits)
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        try:
            content = self._inflate.decompress(chunk, MAX_BODY_BYTES + 1 - self._size)
        except zlib.error as error:
            raise DataError(f"a compressed body is damaged: {error}") from error
        self._size += len(content)
        _refuse_longer(self._size)
        return content


def _refuse_longer(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise TooLongError(f"a body has more than {MAX_BODY_BYTES} bytes and is not recorded")
