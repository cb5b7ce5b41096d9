"""The content of a message, in the shapes of all protocols: text is joined, of everything else the digest is kept.

Sources: OpenAI's `chat.completions` and `responses` content parts (openai-python 2, `types/chat`, `types/responses`),
Anthropic's content blocks (anthropic-sdk-python, `types/content_block_param.py`), Ollama's `images` (ollama `api/types.go`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.draft import Few

_TEXT = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})
_UNSEEN = frozenset({"thinking", "redacted_thinking", "reasoning"})


class Url(msgspec.Struct):
    """OpenAI's `image_url`."""

    url: str


class Payload(msgspec.Struct):
    """OpenAI's `input_audio` and `file`, Anthropic's `source`."""

    data: str = ""
    url: str = ""
    file_data: str = ""
    file_id: str = ""


class Part(msgspec.Struct):
    """One part of a content, whoever's; fields that a type does not have stay empty."""

    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: Url | str | None = None
    input_audio: Payload | None = None
    file: Payload | None = None
    source: Payload | None = None
    file_data: str | None = None
    file_id: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"")
    """Of an Anthropic `tool_use`."""
    thinking: str | None = None
    content: str | Annotated[list[Part], Few] | None = None
    """Of an Anthropic `tool_result`."""


Content = str | Annotated[list[Part], Few] | None
Images = Annotated[list[str], Few] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A content as the journal keeps it."""

    text: str
    attachments: tuple[str, ...] = ()
    parts: int = 1
    """Texts that are not blank, joined into `text`."""


def read(content: Content, images: Images = None) -> Read:
    """Return text and digests; `images` are Ollama's, beside the text.

    Raises:
        DataError: a part of a type that is not known. What is half understood would be half learned.
    """
    parts = [Part(text=content)] if isinstance(content, str) else content or []
    texts: list[str] = []
    attachments: list[str] = []
    for part in parts:
        if part.type in _TEXT:
            texts.append(part.text or part.refusal or "")
        elif part.type not in _UNSEEN:
            attachments.append(digest_of(_payload(part)))
    attachments.extend(digest_of(image) for image in images or ())
    return Read(
        text="".join(texts),
        attachments=tuple(attachments),
        parts=max(1, sum(bool(text.strip()) for text in texts)),
    )


def digest_of(payload: str) -> str:
    """Return the sha256 of what a payload holds: base64, a data URL, or an address, which stands for itself."""
    head, comma, data = payload.partition(",")
    encoded = data if comma and head.startswith("data:") else payload
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        content = payload.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


def json_text(raw: msgspec.Raw) -> str:
    """Return the arguments of a call as text of JSON, whether they came as an object or as a text of one.

    Raises:
        MalformedError: not UTF-8.
    """
    content = bytes(raw)
    if content.startswith(b'"'):
        return decode_json(content, str)
    try:
        return "" if content == b"null" else content.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("the arguments of a tool call are not UTF-8") from error


def _payload(part: Part) -> str:
    url = part.image_url.url if isinstance(part.image_url, Url) else part.image_url
    held = part.input_audio or part.file or part.source or Payload()
    payload = url or held.data or held.url or held.file_data or held.file_id or part.file_data or part.file_id
    if not payload:
        raise DataError("a part of a message has a type that is not known")
    return payload
