"""Does a value look chosen to be secret, or is it a word, a name in a program, a placeholder?"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

_PLACEHOLDER = re.compile(
    r"(?:x{4,}|\*{3,}|\.{3,}|•{3,}|0{8,}|12345678|abcdefg|your[_ -]|my[_ -]|<|\{\{|\$\{|%\(|example|change[_-]?me|"
    r"placeholder|redacted|dummy|sample|insert[_-]|replace[_-]|to[_-]?do|none|null|undefined|true|false)",
    re.IGNORECASE,
)
_NAME_IN_CODE = re.compile(
    r"(?:[A-Za-z_]\w*(?:[.:]+[A-Za-z_]\w*)+|[A-Za-z][a-z]+(?:[A-Z][a-z]+)+\d{0,3}|[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z0-9]+)+|[A-Z]+\d*(?:[A-Z][a-z]+){2,})[;,]?"
)
_PATH = re.compile(
    r"(?:~|\.{1,2})?/[\w.~-]+(?:/[\w.~-]*)*|[A-Za-z]+://[^\s:@]*|[\w-]+\.(?:py|js|ts|go|rs|md|txt|json|ya?ml|toml|html?|pem|key|com|org|net|io)\b"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SYMBOLS = frozenset("!@#$%^&*?+~§")


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of the characters: -Σ p·log2 p, in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def is_placeholder(value: str) -> bool:
    """Say whether a person would fill something in here, or whether a program does."""
    return _PLACEHOLDER.match(value) is not None or len(set(value)) <= 2


def is_password(value: str) -> bool:
    """Letters with digits or symbols, and neither a name in a program, a path nor a placeholder."""
    letters = any(char.isalpha() for char in value)
    mixed = letters and any(char.isdigit() or char in _SYMBOLS for char in value)
    return (
        mixed and not is_placeholder(value) and not _NAME_IN_CODE.fullmatch(value) and not _PATH.match(value)
    )


def is_assigned_secret(value: str) -> bool:
    """A password that holds a digit: what is assigned without quotes may be code."""
    return any(char.isdigit() for char in value) and is_password(value)


def is_made_up(value: str) -> bool:
    """A password that nobody would take for a word: digits with symbols, or digits and capitals within it."""
    digits = any(char.isdigit() for char in value)
    symbols = any(char in _SYMBOLS for char in value)
    mixed = re.search(r"\d[A-Za-z]", value) is not None and value.lower() != value
    return digits and (symbols or mixed) and is_password(value)


def is_random(value: str) -> bool:
    """Capitals, small letters and digits without order: a key, not a hash, an identifier or a path."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return (
        all(any(kind(char) for char in value) for kind in kinds)
        and entropy_bits(value) >= 3.5
        and not is_placeholder(value)
        and not _PATH.match(value)
        and not _UUID.fullmatch(value)
        and not _NAME_IN_CODE.fullmatch(value)
        and not re.search(r"[a-z]{9}|[A-Z]{9}", value)
    )


VALUES: dict[str, Callable[[str], bool]] = {
    "password": is_password,
    "assigned": is_assigned_secret,
    "made up": is_made_up,
    "random": is_random,
}
"""By the name that a rule file uses, beside the checksums."""
