"""A served name as a section of llama-server's preset file: pure text, and what the router tells of it.

llama-server rewrites a section's name behind its last colon (`me:2026-11-22-3f9a` is registered as `me:3F9A`, so that
two days' versions could become one; common/preset.cpp, `canonical_tag`). So a section is called `me~2026-11-22-3f9a`
and the name that people use is its alias. The alias belongs to that section for life: one that moved would wedge the
router for good. What answers to a name is written into the section's tags, which the router gives back: nobody has to
remember it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from laimark_sidecar.errors import ConfigError, DataError

BASE_ALIAS = "base"
"""The frozen base answers to its own name and to this one."""
STOP_TIMEOUT_S = 1
"""A process that is told to end and does not is killed after this long; a reload waits for it."""
MARK = "laimark"
_NAME_TAG, _KIND, _VERSION, _SHA256 = "laimark.name=", "laimark.kind=", "laimark.version=", "laimark.sha256="
Kind = Literal["base", "version", "moving"]
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,127}", re.ASCII)
# In the preset file a comment begins anywhere in a value, and --lora takes a list with commas; nothing can be quoted.
# What is not UTF-8 in a path is a surrogate here; llama-server reads UTF-8 only.
_UNWRITABLE = re.compile(r"[;#,\x00-\x1f\ud800-\udfff]|^\s|\s$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One served name and what answers to it.

    Raises:
        DataError: a name that llama-server cannot carry.
    """

    name: str
    """What people ask for: the base's name, a version, or a moving name."""
    kind: Kind
    version: str = ""
    """The immutable version behind it; empty for the base."""
    sha256: str = ""
    """Of the adapter; empty for the base."""

    def __post_init__(self) -> None:
        for name in (self.name, self.version or self.name):
            if not _NAME.fullmatch(name):
                raise DataError(
                    f"name {name[:200]!r} is malformed: "
                    "a letter or digit, then up to 127 of letters, digits and . : / @ + - _"
                )

    @property
    def id(self) -> str:
        """The section's name in the preset file; `~` is in no served name, so nothing collides."""
        return section_id(self.name)

    @property
    def tags(self) -> tuple[str, ...]:
        """What the router is told, and tells."""
        return (
            MARK,
            _NAME_TAG + self.name,
            _KIND + self.kind,
            _VERSION + self.version,
            _SHA256 + self.sha256,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all sections have in common; a change of any of them restarts every section."""

    model: Path
    """GGUF of the base."""
    context: int
    """Tokens of prompt and answer together."""
    threads: int
    """For decoding; as many as cores decode 10 to 30 times slower on a machine that does something else too."""


def section_id(name: str) -> str:
    """Return what the section of a served name is called in the preset file."""
    return name.replace(":", "~")


def read_tags(tags: Iterable[str]) -> Section | None:
    """Return the section that the router tells of, or None where it is not the sidecar's.

    One that bears the sidecar's mark alone is somebody else's too, and like any other of his keeps no name from working.
    """
    told = tuple(tags)
    kinds: tuple[Kind, ...] = get_args(Kind)
    kind = next((one for one in kinds if _KIND + one in told), None)
    if MARK not in told or kind is None:
        return None
    name, version, sha256 = (_value(told, prefix) for prefix in (_NAME_TAG, _VERSION, _SHA256))
    try:
        return Section(name=name, kind=kind, version=version, sha256=sha256)
    except DataError:
        return None


def _value(tags: tuple[str, ...], prefix: str) -> str:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), "")


def render(section: Section, options: Options, adapter: Path | None) -> str:
    """Return the section's text.

    One answer at a time: several share the context, and where two conversations outgrow it together llama-server ends
    both with an error (measured). Other names have processes of their own, and go on meanwhile.

    Its process serves one adapter as long as it lives, so its KV cache cannot hold another's and prompts may be
    cached; the second cache in main memory (8 GiB a process by default) is off.

    Args:
        section: the name.
        options: common to all.
        adapter: LoRA GGUF, None for the base.

    Raises:
        ConfigError: a path that the preset file cannot hold.
    """
    lines = {
        "alias": ",".join(_aliases(section)),
        "tags": ",".join(section.tags),
        "model": _writable(options.model),
        "lora": _writable(adapter) if adapter else "",
        "ctx-size": str(options.context),
        "threads": str(options.threads),
        "threads-batch": str(options.threads),
        "parallel": "1",
        "cache-ram": "0",
        "stop-timeout": str(STOP_TIMEOUT_S),
    }
    body = "".join(f"{key} = {value}\n" for key, value in lines.items() if value)
    return f"[{section.id}]\n{body}"


def _aliases(section: Section) -> list[str]:
    aliases = [section.name] if section.name != section.id else []
    return [*aliases, BASE_ALIAS] if section.kind == "base" and section.name != BASE_ALIAS else aliases


def _writable(path: Path) -> str:
    if _UNWRITABLE.search(str(path)):
        raise ConfigError(
            f"{str(path)!r}: llama-server's preset file cannot hold this path (UTF-8 without ';', '#', ',', "
            "line breaks, and spaces at its ends)",
            hint="move the file, or the home with LAIMARK_HOME",
        )
    return str(path)
