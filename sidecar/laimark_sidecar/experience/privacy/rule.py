"""A rule says what a secret or a piece of personal data looks like; rules are data, checked when they are read.

A file is TOML: `version`, `group`, and for each `[[rule]]` its `name`, `why` (whose documentation says so), `words`,
`pattern`, and where they apply `at`, `check`, `entropy`, `allow`. `examples` must be found and `counterexamples` must
not; a test runs them all. In an example `{alnum:36}` stands for 36 random characters of a class, so that no file of
this project holds anything that looks like a live key.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

import msgspec

from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.privacy.checksums import CHECKS
from laimark_sidecar.experience.privacy.occurrences import is_findable
from laimark_sidecar.experience.privacy.values import VALUES

FORMAT_VERSION = 1
Group = Literal["secret", "contact", "payment", "identity"]
At = Literal["run", "word", "number", "text"]
PERSONAL: tuple[Group, ...] = ("contact", "payment", "identity")


class _Written(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A rule as it stands in a file."""

    name: str
    why: str
    pattern: str
    words: tuple[str, ...] = ()
    at: At = "run"
    check: str = ""
    entropy: float | None = None
    allow: tuple[str, ...] = ()
    ignore_case: bool = False
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    version: int
    group: Group
    entropy: float = 0.0
    """Floor of rules that name none."""
    rule: tuple[_Written, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to look for, where, and what must hold of what is found."""

    name: str
    group: Group
    why: str
    words: tuple[str, ...]
    """`run`: exact beginnings. `word`: lower case. `text`, `number`: one must occur, none means always."""
    pattern: re.Pattern[str]
    """Matched where `at` says. A group `value` is what the check and the entropy are about; else all of it."""
    at: At
    """`run`: at the beginning of a long run of letters, digits, `_` and `-`. `word`: where one of the words begins.
    `number`: within a long number with its separators. `text`: anywhere."""
    check: Callable[[str], bool] | None
    entropy: float
    """Least Shannon entropy of the value's characters, in bits a character."""
    allow: re.Pattern[str] | None
    """What is found is none if this occurs in it."""
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]


@functools.cache
def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules of the package's own files.

    Raises:
        DataError: a file was damaged.
    """
    folder = resources.files(__package__) / "rules"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda one: one.name
    )
    return tuple(rule for file in files for rule in read_rules(file.read_text(encoding="utf-8"), file.name))


def read_rules(text: str, where: str) -> tuple[Rule, ...]:
    """Return the rules of one file.

    Raises:
        DataError: not TOML, another version, an unknown key, group, check or place, or a pattern that cannot be compiled.
    """
    try:
        content = tomllib.loads(text)
        _require_version(content, where)
        file = msgspec.convert(content, _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DataError(f"{where}: not a file of privacy rules: {error}") from error
    return tuple(_rule(written, file, where) for written in file.rule)


def _require_version(content: dict[str, Any], where: str) -> None:
    if content.get("version") != FORMAT_VERSION:
        raise DataError(
            f"{where}: rules of version {content.get('version')!r}, this program reads {FORMAT_VERSION}",
            hint="install laimark-sidecar again",
        )


def _rule(written: _Written, file: _File, where: str) -> Rule:
    known = CHECKS | VALUES
    if written.check and written.check not in known:
        raise DataError(
            f"{where}: rule {written.name!r} has check {written.check!r}, expected one of {', '.join(known)}"
        )
    if written.at in ("run", "word") and not written.words:
        raise DataError(f"{where}: rule {written.name!r} is looked for at its words and has none")
    if "" in written.words or (written.at == "word" and not all(map(is_findable, written.words))):
        raise DataError(f"{where}: rule {written.name!r} has a word that is too short to be looked for")
    if written.at in ("word", "text") and any(word != word.lower() for word in written.words):
        raise DataError(f"{where}: rule {written.name!r} has words in capitals, and looks for small letters")
    try:
        flags = re.IGNORECASE if written.ignore_case or written.at == "word" else re.NOFLAG
        pattern = re.compile(written.pattern, flags)
        allow = re.compile("|".join(written.allow), re.IGNORECASE) if written.allow else None
    except re.error as error:
        raise DataError(
            f"{where}: rule {written.name!r} has a pattern that cannot be used: {error}"
        ) from error
    return Rule(
        name=written.name,
        group=file.group,
        why=written.why,
        words=written.words,
        pattern=pattern,
        at=written.at,
        check=known.get(written.check),
        entropy=file.entropy if written.entropy is None else written.entropy,
        allow=allow,
        examples=written.examples,
        counterexamples=written.counterexamples,
    )


GROUPS: tuple[Group, ...] = get_args(Group)
