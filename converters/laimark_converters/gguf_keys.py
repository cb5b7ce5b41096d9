"""The keys of one architecture in a GGUF header, each with the meaning and the default that llama.cpp gives it."""

from __future__ import annotations

from math import isfinite

from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader


class ArchitectureKeys:
    """Reads `<architecture>.<name>`.

    Args:
        header: of the served base.
    """

    def __init__(self, header: GgufHeader) -> None:
        self._header = header

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number of at least 1; a list with a number a layer counts when all are equal.

        Raises:
            ConversionError: it is missing without a default, not such a number, or differs between layers.
        """
        key, value = self._find(name)
        if value is None and default is not None:
            return default
        if isinstance(value, tuple):
            if len(set(value)) != 1:
                raise ConversionError(f"{self._header.file_name}: {key} differs between layers")
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConversionError(f"{self._header.file_name}: {key} is {value!r}, not a number above 0")
        return value

    def real(self, name: str, default: float) -> float:
        """Return a number, or the default where the key is missing.

        Raises:
            ConversionError: it is something else.
        """
        key, value = self._find(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ConversionError(f"{self._header.file_name}: {key} is {value!r}, not a finite number")
        return float(value)

    def text(self, name: str) -> str:
        """Return a text, empty where the key is missing or something else."""
        return self._header.text(self._find(name)[0])

    def flags(self, name: str) -> tuple[bool, ...] | None:
        """Return a flag a layer; None where the key is missing or no such list."""
        value = self._find(name)[1]
        return tuple(bool(one) for one in value) if isinstance(value, tuple) else None

    def _find(self, name: str) -> tuple[str, object]:
        key = f"{self._header.architecture}.{name}"
        return key, self._header.keys.get(key)
