"""Messages as OpenAI, Ollama and Anthropic write them in JSON become messages of the journal. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message, Role, ToolCall

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT = ("text", "input_text", "output_text")


def messages_of(told: object) -> tuple[Message, ...]:
    """Return the messages of a list.

    Raises:
        DataError: it is none, or one of them has an unknown role or content; never shows text.
    """
    if not isinstance(told, list) or not told:
        raise DataError("`messages` is no list of messages")
    return tuple(_message(each, number) for number, each in enumerate(told))


def _message(told: object, number: int) -> Message:
    role = told.get("role") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(role, str) or role not in _ROLES:
        raise DataError(f"message {number} has no role that is known")
    texts, payloads = _content(told.get("content"), number)
    images = told.get("images")
    payloads += [one for one in images if isinstance(one, str)] if isinstance(images, list) else []
    calls = told.get("tool_calls")
    return Message(
        role=_ROLES[role],
        content="".join(texts),
        tool_calls=tuple(_call(each, number) for each in calls) if isinstance(calls, list) else (),
        attachments=tuple(_digest(one) for one in payloads),
        parts=max(1, sum(bool(text.strip()) for text in texts)),
    )


def _content(content: object, number: int) -> tuple[list[str], list[str]]:
    if content is None or isinstance(content, str):
        return [content or ""], []
    texts: list[str] = []
    payloads: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, dict):
            raise DataError(f"message {number} has a content that is not known")
        if part.get("type") in _TEXT and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            payloads.append(_payload(part))
    return texts, payloads


def _payload(part: dict[str, Any]) -> str:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else msgspec.json.encode(part, order="sorted").decode()


def _digest(payload: str) -> str:
    head, comma, data = payload.partition(",")
    try:
        content = base64.b64decode(data if comma and head.startswith("data:") else payload, validate=True)
    except (binascii.Error, ValueError):
        content = payload.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


def _call(told: object, number: int) -> ToolCall:
    function = told.get("function") if isinstance(told, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise DataError(f"message {number} has a tool call without a name")
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ToolCall(name=function["name"], arguments=text)
