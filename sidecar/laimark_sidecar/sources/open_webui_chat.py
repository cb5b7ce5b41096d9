"""One chat of Open WebUI, as it is stored, becomes exchanges. Pure."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, ToolCall
from laimark_sidecar.sources.branches import branch
from laimark_sidecar.sources.history_limit import MAX_MESSAGES
from laimark_sidecar.sources.times import seconds
from laimark_sidecar.sources.told_exchange import told_exchange

SOURCE = "open-webui"
_ROLES = {"user": "user", "assistant": "assistant", "system": "system"}
# Attributes are escaped, so no `<` stands in them. What ends a search keeps it linear: models that loop write anything.
_DETAILS = re.compile(r"<details\b([^<>]*)>(.*?)</details>\s*", re.DOTALL)
_TYPE = re.compile(r'\btype="(\w+)"')
_NAME = re.compile(r'\bname="([^"]*)"')
_ARGUMENTS = re.compile(r'\barguments="([^"]*)"')
_SUMMARY = re.compile(r"\A\s*<summary>.*?</summary>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What stands in a message of the assistant: its text, and what Open WebUI wraps in `<details>`."""

    text: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The messages of a chat by id, as read."""

    chat_id: str
    user_id: str
    system: str
    nodes: Mapping[str, Mapping[str, Any]]

    def records(self, since_s: float, *, ratings: bool) -> Iterator[Exchange | Feedback]:
        """Return the exchanges whose answers began after `since_s`, and the edited ones whenever they did.

        Args:
            since_s: seconds since 1970.
            ratings: whether thumbs are read from the messages: versions before the table `feedback` have them only there.
        """
        for key, node in self.nodes.items():
            edited = isinstance(node.get("originalContent"), str)
            if node.get("role") != "assistant" or not (edited or _time_s(node) > since_s):
                continue
            exchange = None if self._is_long(key) else self.exchange(key)
            if exchange is None:
                continue
            yield exchange
            if edited and exchange.answer.strip() != _answer(node.get("content")).text.strip():
                yield _feedback(exchange, "edit", _answer(node.get("content")).text)
            rating = _rating(node) if ratings else 0
            if rating:
                yield _feedback(exchange, "accept" if rating > 0 else "reject", "")

    def too_long(self, since_s: float) -> int:
        """Return how many answers `records` leaves out, because more came before each than `history_limit` allows."""
        return sum(
            node.get("role") == "assistant" and _time_s(node) > since_s and self._is_long(key)
            for key, node in self.nodes.items()
        )

    def _is_long(self, key: str) -> bool:
        path = branch(self.nodes, key, _parent)
        return path is not None and len(path) - 1 > MAX_MESSAGES

    def exchange(self, key: str) -> Exchange | None:
        """Return the exchange that ends with a message; None where that is no finished answer of a model."""
        node = self.nodes.get(key)
        path = branch(self.nodes, key, _parent)
        if node is None or path is None or node.get("role") != "assistant" or node.get("error"):
            return None
        original = node.get("originalContent")
        answer = _answer(original if isinstance(original, str) else node.get("content"))
        time_s = _time_s(node)
        if node.get("done") is False or not (answer.text or answer.tool_calls) or time_s <= 0:
            return None
        messages = tuple(_message(one) for one in path[:-1])
        if self.system:
            messages = (Message(role="system", content=self.system), *messages)
        return told_exchange(
            source=SOURCE,
            time_s=time_s,
            model=str(node.get("model") or ""),
            messages=messages,
            answer=Message(role="assistant", content=answer.text, tool_calls=answer.tool_calls),
            timed=True,
            client=f"{SOURCE}/{self.user_id}" if self.user_id else SOURCE,
            thinking=answer.thinking,
        )


def read_chat(
    body: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, chat_id: str, user_id: str
) -> Chat | None:
    """Return a chat from its JSON and its rows of `chat_message`; None where neither holds messages.

    A row stands before the same message in the JSON, whose further fields (an edit's original) are kept.
    """
    history = body.get("history")
    held = history.get("messages") if isinstance(history, dict) else None
    nodes: dict[str, Mapping[str, Any]] = {}
    if isinstance(held, dict):
        nodes = {key: node for key, node in held.items() if isinstance(node, dict)}
    elif isinstance(body.get("messages"), list):
        nodes = _chained([node for node in body["messages"] if isinstance(node, dict)])
    for row in rows:
        present = {name: value for name, value in row.items() if value is not None}
        nodes[str(row["id"])] = {**nodes.get(str(row["id"]), {}), **present}
    empty = not nodes and not isinstance(held, dict) and not isinstance(body.get("messages"), list)
    parameters = body.get("params")
    system = parameters.get("system") if isinstance(parameters, dict) else None
    return (
        None
        if empty
        else Chat(
            chat_id=chat_id, user_id=user_id, system=system if isinstance(system, str) else "", nodes=nodes
        )
    )


def _chained(messages: list[dict[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Read the list of versions before the tree: each message follows the one before it."""
    nodes: dict[str, Mapping[str, Any]] = {}
    parent = ""
    for number, message in enumerate(messages):
        key = str(message.get("id") or number)
        nodes[key] = {**message, "parentId": parent}
        parent = key
    return nodes


def _parent(node: Mapping[str, Any]) -> str:
    parent = node.get("parentId")
    return parent if isinstance(parent, str) else ""


def _time_s(node: Mapping[str, Any]) -> float:
    try:
        return seconds(node.get("timestamp"))
    except ValueError:
        return 0.0


def _rating(node: Mapping[str, Any]) -> int:
    annotation = node.get("annotation")
    rating = annotation.get("rating") if isinstance(annotation, dict) else None
    return {"1": 1, "-1": -1}.get(str(rating), 0)


def _message(node: Mapping[str, Any]) -> Message:
    role = _ROLES.get(str(node.get("role")), "user")
    if role == "assistant":
        answer = _answer(node.get("content"))
        return Message(role="assistant", content=answer.text, tool_calls=answer.tool_calls)
    return Message(
        role="system" if role == "system" else "user",
        content=_text(node.get("content")),
        attachments=_attachments(node),
        parts=max(1, sum(bool(text.strip()) for text in _texts(node.get("content")))),
    )


def _attachments(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a digest for each file, page or image that stood beside the text: the model saw more than is kept here."""
    beside = [part for name in ("files", "sources") for part in _listed(node.get(name))]
    content = node.get("content")
    if isinstance(content, list):
        beside += [part for part in content if isinstance(part, dict) and part.get("type") != "text"]
    return tuple(hashlib.sha256(repr(part).encode("utf-8", "surrogatepass")).hexdigest() for part in beside)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(content: object) -> str:
    return "\n".join(_texts(content))


def _texts(content: object) -> list[str]:
    if isinstance(content, list):
        told = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return [text for text in told if isinstance(text, str)]
    return [content] if isinstance(content, str) else []


def _answer(content: object) -> Answer:
    thinking: list[str] = []
    calls: list[ToolCall] = []

    def take(match: re.Match[str]) -> str:
        kind = _TYPE.search(match[1])
        if kind is None:
            return match[0]
        if kind[1] == "reasoning":
            thinking.append(html.unescape(_SUMMARY.sub("", match[2])).strip())
        elif kind[1] == "tool_calls":
            name, arguments = _NAME.search(match[1]), _ARGUMENTS.search(match[1])
            calls.append(
                ToolCall(
                    name=html.unescape(name[1]) if name else "",
                    arguments=html.unescape(arguments[1]) if arguments else "",
                )
            )
        return ""

    written = _text(content)
    # Every search for an end must find one: what follows the last one is not searched.
    wrapped, end, rest = written.rpartition("</details>")
    left = _DETAILS.sub(take, wrapped + end) + rest
    return Answer(
        text=left.lstrip() if thinking or calls else left,
        thinking="\n".join(thinking),
        tool_calls=tuple(calls),
    )


def _feedback(exchange: Exchange, kind: str, edited: str) -> Feedback:
    digest = hashlib.sha256(f"{SOURCE}\0{exchange.id}\0{kind}\0{edited}".encode("utf-8", "surrogatepass"))
    return Feedback(
        id=digest.hexdigest()[:32],
        time_s=exchange.time_s,
        source=SOURCE,
        exchange_id=exchange.id,
        kind="edit" if kind == "edit" else "accept" if kind == "accept" else "reject",
        text=edited,
    )
