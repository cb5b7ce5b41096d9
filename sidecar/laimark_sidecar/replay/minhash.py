"""MinHash of token 3-shingles (Broder 1997): an estimate of Jaccard similarity from 128 bytes a text.

Everything here ends up on the disk, so constants and hash functions are fixed and do not come from a library's
random stream.
"""

from __future__ import annotations

import functools
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERMUTATIONS = 128
BANDS = 16
"""16 bands of 8 rows find a pair of similarity .8 with probability 1-(1-.8^8)^16 = .95, of .9 with .9999."""
_SHINGLE_TOKENS = 3
_BLOCK_SHINGLES = 4096
_TOKEN = re.compile(r"\w+|[^\w\s]")
_MASK = (1 << 64) - 1
_CHANCE = 1 / 256
"""Two different minima agree in the byte that is kept (b-bit MinHash, Li and Koenig 2010)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What is stored of a text to find its near copies."""

    bands: bytes
    """16 native int32: texts that share one are candidates."""
    fingerprint: bytes
    """128 bytes: the low byte of each minimum."""

    def band_keys(self) -> tuple[int, ...]:
        """Return the bands as signed 32-bit integers."""
        return tuple(memoryview(self.bands).cast("i"))


def signature(text: str) -> Signature:
    """Return the signature of a text; texts with the same 3-shingles of tokens have the same one."""
    import numpy as np

    minima = _minima(_shingle_hashes(text))
    rows = minima.reshape(BANDS, PERMUTATIONS // BANDS)
    # The band's number goes into its hash, so equal rows in different bands are not taken for a match.
    bands = [zlib.crc32(row.astype("<u4").tobytes(), number) for number, row in enumerate(rows)]
    return Signature(
        bands=np.array(bands, dtype=np.uint32).astype(np.int32).tobytes(),
        fingerprint=(minima & np.uint64(0xFF)).astype(np.uint8).tobytes(),
    )


def similarity(left: bytes, right: bytes) -> float:
    """Estimate the Jaccard similarity of two texts from their fingerprints; standard error at .8 is about .035."""
    equal = sum(a == b for a, b in zip(left, right, strict=True)) / len(left)
    return max(0.0, (equal - _CHANCE) / (1 - _CHANCE))


def shingles(text: str) -> set[tuple[str, ...]]:
    """Return the text's set of 3-shingles of tokens; a shorter text is one shingle."""
    tokens = _TOKEN.findall(text)
    last = max(1, len(tokens) - _SHINGLE_TOKENS + 1)
    return {tuple(tokens[start : start + _SHINGLE_TOKENS]) for start in range(last)}


def _shingle_hashes(text: str) -> NDArray[np.uint64]:
    import numpy as np

    tokens = [zlib.crc32(token.encode("utf-8", "surrogatepass")) for token in _TOKEN.findall(text)]
    padded = np.array(tokens + [0] * max(0, _SHINGLE_TOKENS - len(tokens)), dtype=np.uint64)
    count = len(padded) - _SHINGLE_TOKENS + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(_SHINGLE_TOKENS):
        mixed = _mix(mixed ^ padded[offset : offset + count])
    return np.unique(mixed)


def _minima(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    factors, offsets = _permutations()
    minima = np.full(PERMUTATIONS, _MASK, dtype=np.uint64)
    for start in range(0, len(hashes), _BLOCK_SHINGLES):  # a pasted book must not take gigabytes
        # Multiply-shift hashing: arithmetic modulo 2^64, of which the high half is well mixed.
        hashed = (hashes[start : start + _BLOCK_SHINGLES, None] * factors + offsets) >> np.uint64(32)
        minima = np.minimum(minima, hashed.min(axis=0))
    return minima


@functools.cache
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    import numpy as np

    factors = np.array([_constant(2 * index) | 1 for index in range(PERMUTATIONS)], dtype=np.uint64)
    offsets = np.array([_constant(2 * index + 1) for index in range(PERMUTATIONS)], dtype=np.uint64)
    return factors, offsets


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _constant(index: int) -> int:
    """Return the `index`-th output of SplitMix64 from state 0 (Steele et al. 2014)."""
    value = (0x9E3779B97F4A7C15 * (index + 1)) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
