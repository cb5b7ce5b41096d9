"""Damaged JSON is one error, whatever is wrong with it, and no module goes round it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import laimark_sidecar
from laimark_sidecar.decoding import MalformedError, NewerFormatError, decode_json, decode_versioned
from laimark_sidecar.errors import StateError


class _Point(msgspec.Struct):
    x: int
    name: str = ""
    more: object = None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"x": 1', id="cut short"),
        pytest.param(b'{"x": "1"}', id="another type"),
        pytest.param(b'{"x": 1, "name": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"x": 1, "name": "\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param('{"x": 1, "name": "\ud800"}', id="a surrogate in text"),
        pytest.param(b'{"x": 1, "more": ' + b"[" * 100_000, id="deep in a field"),
        pytest.param(b'{"x": 1, "unknown": ' + b"[" * 100_000, id="deep in what is skipped"),
        pytest.param(b'{"x": ' + b"1" * 5_000 + b"}", id="a number of 5000 digits"),
    ],
)
def test_whatever_is_wrong_with_the_content_is_a_malformed_error(content: bytes | str) -> None:
    with pytest.raises(MalformedError):
        decode_json(content, _Point)


def test_content_of_the_right_shape_is_returned_as_it() -> None:
    assert decode_json(b'{"x": 3, "name": "a", "extra": [1]}', _Point) == _Point(x=3, name="a")


def test_no_other_module_decodes_json_with_msgspec() -> None:
    root = Path(laimark_sidecar.__file__).parent
    found = [
        file.relative_to(root).as_posix()
        for file in sorted(root.rglob("*.py"))
        if "json.decode(" in (text := file.read_text(encoding="utf-8")) or "json.Decoder(" in text
    ]

    assert found == ["decoding.py"]


class _Kept(msgspec.Struct):
    version: int = 1


def _kept(content: bytes) -> _Kept:
    return decode_versioned(content, _Kept, newest=2, what="the note", hint="remove it")


def test_what_is_of_a_version_that_is_known_is_read() -> None:
    assert [_kept(content).version for content in (b"{}", b'{"version":2}')] == [1, 2]


def test_what_a_newer_program_wrote_is_told_apart_from_what_is_damaged() -> None:
    with pytest.raises(
        NewerFormatError, match="the note is newer than this program: it has format version 3"
    ) as newer:
        _kept(b'{"version":3}')
    assert newer.value.hint == "upgrade laimark-sidecar"
    with pytest.raises(StateError, match="the note is damaged") as damaged:
        _kept(b"{")
    assert not isinstance(damaged.value, NewerFormatError)
    assert damaged.value.hint == "remove it"
