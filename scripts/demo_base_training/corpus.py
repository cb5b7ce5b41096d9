"""The training text: Python's own standard library, cleaned, deduplicated and split by a hash of the path.

The split needs no state: a file is held out when the hash of its path relative to the library says so, on
every machine alike. Training that starts from an earlier base keeps that base's split instead.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
import tokenize
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HELD_OUT_PERCENT = 3
MAX_FILE_CHARS = 300_000

# Third-party code, generated tables, and files whose text is not written for reading.
_SKIPPED = re.compile(
    r"^(site-packages|pydoc_data|ensurepip|turtledemo|lib2to3/(pgen2/|tests/)|config-|__pycache__)"
    r"|^encodings/(cp|iso|mac|koi|tis|hp|ptcp|kz|palmos|big5|gb|hz|euc|shift|johab)"
    r"|^test/.*(bad_?syntax|bad_coding|badsyntax|encoded_modules|lib2to3|test_unicode|test_cn|test_codecmaps)"
    r"|(^|/)(_sysconfigdata|__phello__|stringprep|token|symbol|tests/data/)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One module of the corpus.

    Attributes:
        path: Relative to the standard library, with forward slashes.
        text: Its source with Unix line ends.
        is_held_out: Whether the file is kept from training, for evaluation only.
    """

    path: str
    text: str
    is_held_out: bool

    @property
    def is_test(self) -> bool:
        """Whether the file belongs to a test suite, which outweighs the library itself."""
        return bool({"test", "tests", "idle_test"} & set(PurePosixPath(self.path).parts))


def standard_library() -> Path:
    """Return the folder of the running Python's standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def read_corpus(library: Path, held_out: frozenset[str] | None = None) -> list[SourceFile]:
    """Read every fit module under ``library``, sorted by path, without repeated files.

    A file that shares most of its long lines with those before it counts as repeated. ``held_out`` names the
    files of an earlier split; without it the hash decides.
    """
    kept: list[SourceFile] = []
    seen_lines: set[int] = set()
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library).as_posix()
        if _SKIPPED.search(relative):
            continue
        text = _read(path)
        if not 200 <= len(text) <= MAX_FILE_CHARS or _is_table(text):
            continue
        lines = {hash(line.strip()) for line in text.splitlines() if len(line.strip()) > 30}
        if len(lines & seen_lines) > len(lines) // 2:
            continue
        seen_lines |= lines
        is_held_out = chosen_by_hash(relative) if held_out is None else relative in held_out
        kept.append(SourceFile(path=relative, text=text, is_held_out=is_held_out))
    return kept


def chosen_by_hash(path: str) -> bool:
    """Whether the hash of a relative path puts the file among the held-out ones."""
    digest = hashlib.sha256(path.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def _read(path: Path) -> str:
    try:
        with tokenize.open(path) as file:
            return file.read().replace("\f", "").replace("\r\n", "\n")
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return ""


def _is_table(text: str) -> bool:
    """Whether most of the text is digits, escapes and punctuation, or hardly any of it is ASCII."""
    letters = sum(character.isascii() and (character.isalpha() or character.isspace()) for character in text)
    return letters < 0.6 * len(text)
