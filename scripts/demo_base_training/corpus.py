"""The training text: the standard library and some packages, cleaned, deduplicated and split by a hash of the path.

The split needs no state: a file is held out when the hash of its relative path says so, on every machine alike.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HELD_OUT_PERCENT = 2
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
        path: Relative to the standard library or to the folder of its package, with forward slashes.
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


def read_corpus(library: Path, packages: Sequence[Path] = ()) -> list[SourceFile]:
    """Read every fit module under ``library`` and ``packages``, without repeated files.

    A file that shares most of its long lines with those before it counts as repeated.
    """
    kept: list[SourceFile] = []
    seen_lines: set[int] = set()
    for path, relative in _modules(library, packages):
        text = _read(path)
        if not 200 <= len(text) <= MAX_FILE_CHARS or _is_table(text):
            continue
        lines = {hash(line.strip()) for line in text.splitlines() if len(line.strip()) > 30}
        if len(lines & seen_lines) > len(lines) // 2:
            continue
        seen_lines |= lines
        kept.append(SourceFile(path=relative, text=text, is_held_out=chosen_by_hash(relative)))
    return kept


def _modules(library: Path, packages: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield every module worth reading with its relative path, in a fixed order."""
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library).as_posix()
        if not _SKIPPED.search(relative):
            yield path, relative
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            if "_vendor" not in path.parts and "typeshed" not in path.parts:
                yield path, path.relative_to(package.parent).as_posix()


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
