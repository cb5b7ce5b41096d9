"""The preset file of the router: our sections are replaced whole, what others wrote stays as they wrote it.

The grammar is llama.cpp's (common/preset.cpp, `parse_ini_from_file`): a section begins with a line `[name]`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.sections import MARK

_HEADER = re.compile(r"^\[[ \t]*([^\]\n]*?)[ \t]*\][^\n]*$", re.MULTILINE)
_TAGS = re.compile(rf"^tags[ \t]*=[ \t]*{MARK},", re.MULTILINE)
_ALIAS = re.compile(r"^alias[ \t]*=[ \t]*([^\n;#]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One section with its header line; the text before the first section has an empty `id`."""

    id: str
    text: str

    @property
    def ours(self) -> bool:
        """Whether the sidecar wrote it: its tags begin with the sidecar's mark."""
        return bool(_TAGS.search(self.text))

    @property
    def claims(self) -> frozenset[str]:
        """The names that this section answers to."""
        aliases = (alias.strip() for line in _ALIAS.findall(self.text) for alias in line.split(","))
        return frozenset(filter(None, (self.id, *aliases)))


def blocks(text: str) -> list[Block]:
    """Return the sections in their order; joined again they are `text`."""
    headers = list(_HEADER.finditer(text))
    starts = [header.start() for header in headers]
    ends = [*starts, len(text)][1:]
    opening = text[: starts[0]] if starts else text
    preface = [Block(id="", text=opening)] if opening else []
    return [
        *preface,
        *(
            Block(id=header[1], text=text[start:end])
            for header, start, end in zip(headers, starts, ends, strict=True)
        ),
    ]


def with_section(text: str, id_: str, section: str, *, names: frozenset[str]) -> str:
    """Return `text` with a section of ours added, or put in the place of the one of the same id.

    Args:
        text: of the preset file.
        id_: the section's name in the file.
        section: its text.
        names: what it answers to.

    Raises:
        RunnerError: a section that somebody else wrote answers to one of the names; it is left alone.
    """
    found = blocks(text)
    taken = sorted({name for block in found if not block.ours for name in block.claims & (names | {id_})})
    if taken:
        raise RunnerError(
            f"{', '.join(taken)}: a section of the preset file that the sidecar did not write has this name",
            hint="rename that section, or choose another promotion.name",
        )
    if any(block.id == id_ for block in found):
        return "".join(_ended(section) if block.id == id_ else block.text for block in found)
    return _ended(text) + _ended(section) if text else _ended(section)


def without_section(text: str, id_: str) -> str:
    """Return `text` without our section of this id; one of somebody else's stays."""
    return "".join(block.text for block in blocks(text) if block.id != id_ or not block.ours)


def without_ours(text: str) -> str:
    """Return what others wrote."""
    return "".join(block.text for block in blocks(text) if not block.ours)


def require_one_owner(text: str) -> None:
    """Refuse a preset file in which two sections answer to one name: reading it would wedge a running router for good.

    Raises:
        RunnerError: names them.
    """
    owners = Counter(name for block in blocks(text) for name in block.claims)
    if doubled := sorted(name for name, count in owners.items() if count > 1):
        raise RunnerError(
            f"{', '.join(doubled)}: more than one section of llama-server's preset file answers to this name",
            hint="take the name out of the section that the sidecar did not write",
        )


def _ended(text: str) -> str:
    return text.rstrip("\n") + "\n\n"
