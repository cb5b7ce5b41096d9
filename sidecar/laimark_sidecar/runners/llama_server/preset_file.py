"""The preset file of the router: our sections are replaced whole, what others wrote stays as they wrote it.

The grammar is llama.cpp's (common/preset.cpp, `parse_ini_from_file`): a section begins with a line `[name]`; a line
ends with LF, CR LF or CR.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.sections import MARK, Section, read_tags

_BEGIN = r"(?<![^\r\n])"
_HEADER = re.compile(rf"{_BEGIN}\[[ \t]*([^\]\r\n]*?)[ \t]*\][^\r\n]*")
# With the blank line that we put behind a section.
_SETTING = re.compile(rf"{_BEGIN}[A-Za-z_][\w.-]*[ \t]*=[^\r\n]*(?:\r?\n|\r){{0,2}}", re.ASCII)
_TAGS = re.compile(rf"{_BEGIN}tags[ \t]*=[ \t]*({MARK},[^\r\n]*)")
_ALIAS = re.compile(rf"{_BEGIN}(?:a|alias|LLAMA_ARG_ALIAS)[ \t]*=[ \t]*([^\r\n;#]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One section with its header line; text that belongs to none has an empty `id`."""

    id: str
    text: str

    @property
    def section(self) -> Section | None:
        """What the sidecar serves by it; None for what others wrote, be it a copy of a section of ours."""
        tags = _TAGS.search(self.text)
        found = read_tags(tags[1].split(",")) if tags else None
        return found if found is not None and found.id == self.id else None

    @property
    def ours(self) -> bool:
        """Whether the sidecar wrote it."""
        return self.section is not None

    @property
    def claims(self) -> frozenset[str]:
        """The names that this section answers to."""
        aliases = (alias.strip() for line in _ALIAS.findall(self.text) for alias in line.split(","))
        return frozenset(filter(None, (self.id, *aliases)))


def blocks(text: str) -> list[Block]:
    """Return the sections in their order; joined again they are `text`.

    A section of ours ends with its last setting: the comments behind it are somebody's, mostly on the next section.
    """
    headers = list(_HEADER.finditer(text))
    starts = [header.start() for header in headers]
    ends = [*starts, len(text)][1:]
    opening = text[: starts[0]] if starts else text
    found = [Block(id="", text=opening)]
    for header, start, end in zip(headers, starts, ends, strict=True):
        found.extend(_split(Block(id=header[1], text=text[start:end])))
    return [block for block in found if block.text]


def with_section(text: str, section: Block) -> str:
    """Return `text` with a section of ours added, or put in the place of the one of the same name and kind.

    Raises:
        RunnerError: another section answers to one of its names; it is left alone.
    """
    found = blocks(text)
    old = next((block for block in found if block.id == section.id and _kind(block) == _kind(section)), None)
    taken = {name for block in found if block is not old for name in block.claims & section.claims}
    if taken:
        raise RunnerError(
            f"{', '.join(sorted(taken))}: already the name of something else in llama-server's preset file",
            hint="rename that section, or choose another promotion.name",
        )
    if old is not None:
        return "".join(_ended(section.text) if block is old else block.text for block in found)
    return _ended(text) + _ended(section.text) if text else _ended(section.text)


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


def _kind(block: Block) -> str:
    return block.section.kind if block.section is not None else ""


def _split(block: Block) -> Iterator[Block]:
    *_, last = [0, *(setting.end() for setting in _SETTING.finditer(block.text))]
    if not block.ours or not last:
        yield block
        return
    yield Block(id=block.id, text=block.text[:last])
    yield Block(id="", text=block.text[last:])


def _ended(text: str) -> str:
    return text.rstrip("\r\n") + "\n\n"
