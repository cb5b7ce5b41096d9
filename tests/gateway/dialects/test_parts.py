"""One attachment has one digest, whatever protocol it comes by."""

from __future__ import annotations

import base64
import hashlib
import json

import msgspec
import pytest

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.parts import Part, digest_of, json_text, read

IMAGE = bytes(range(256))
ENCODED = base64.b64encode(IMAGE).decode()
DIGEST = hashlib.sha256(IMAGE).hexdigest()


def part(content: object) -> Part:
    return decode_json(json.dumps(content), Part)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{ENCODED}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{ENCODED}"},
        {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "wav"}},
        {"type": "file", "file": {"file_data": ENCODED}},
        {"type": "input_file", "file_data": f"data:application/pdf;base64,{ENCODED}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ENCODED}},
    ],
)
def test_image_has_the_digest_of_its_bytes(content: object) -> None:
    assert read([part(content)]).attachments == (DIGEST,)
    assert read("Look.", [ENCODED]).attachments == (DIGEST,)


def test_what_is_only_named_has_the_digest_of_its_name() -> None:
    address = "https://example.org/a,b.png"

    assert digest_of(address) == hashlib.sha256(address.encode()).hexdigest()
    assert read([part({"type": "file", "file": {"file_id": "file-1"}})]).attachments == (
        hashlib.sha256(b"file-1").hexdigest(),
    )


def test_texts_are_joined_and_thoughts_are_left_out() -> None:
    content = [
        part({"type": "text", "text": "a"}),
        part({"type": "thinking", "thinking": "hm"}),
        part({"type": "output_text", "text": "b"}),
        part({"type": "refusal", "refusal": "c"}),
    ]

    assert read(content).text == "abc"
    assert read(None).text == ""


def test_unknown_part_is_an_error() -> None:
    with pytest.raises(DataError, match=r"a type that is not known$"):
        read([part({"type": "hologram"})])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'"{\\"a\\": 1}"', '{"a": 1}'),
        (b'{"a":  1.0}', '{"a":  1.0}'),
        (b"null", ""),
        (b"", ""),
    ],
)
def test_arguments_are_the_models_text(raw: bytes, text: str) -> None:
    assert json_text(msgspec.Raw(raw)) == text


def test_arguments_that_are_no_text_are_an_error() -> None:
    with pytest.raises(MalformedError):
        json_text(msgspec.Raw(b'{"a": "\xff"}'))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("typed", 1),
        ([], 1),
        ([{"type": "text", "text": "typed"}, {"type": "text", "text": "\n"}], 1),
        ([{"type": "text", "text": "From a page."}, {"type": "text", "text": "typed"}], 2),
    ],
)
def test_texts_that_were_joined_are_counted(content: object, parts: int) -> None:
    assert read(content if isinstance(content, str) else msgspec.convert(content, list[Part])).parts == parts
