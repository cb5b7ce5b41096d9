"""Finds hundreds of words in one pass over a text: a table of three-character hashes says where one may begin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

_KEY = 3
_MASK = 0xFFFF


def is_findable(word: str) -> bool:
    """Say whether `word` has three characters, or two of a script whose words are that short."""
    return len(word) >= _KEY or (len(word) == _KEY - 1 and not word.isascii())


class Occurrences:
    """A fixed set of findable words."""

    def __init__(self, words: Iterable[str]) -> None:
        import numpy as np

        self._by_beginning: defaultdict[str, list[str]] = defaultdict(list)
        self._short: list[str] = []
        self._table = np.zeros(_MASK + 1, dtype=np.bool_)
        for word in words:
            if len(word) < _KEY:
                self._short.append(word)
                continue
            self._by_beginning[word[:_KEY]].append(word)
            first, second, third = map(ord, word[:_KEY])
            self._table[(first * 961 + second * 31 + third) & _MASK] = True

    def find(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield position and word of every occurrence, overlapping ones too."""
        import numpy as np

        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        hashes = codes[:-2] * np.uint32(961) + codes[1:-1] * np.uint32(31) + codes[2:]
        for at in np.flatnonzero(self._table[hashes & np.uint32(_MASK)]).tolist():
            for word in self._by_beginning.get(text[at : at + _KEY], ()):
                if text.startswith(word, at):
                    yield at, word
        if not text.isascii():
            yield from self._find_short(text)

    def _find_short(self, text: str) -> Iterator[tuple[int, str]]:
        for word in self._short:
            at = text.find(word)
            while at >= 0:
                yield at, word
                at = text.find(word, at + 1)
