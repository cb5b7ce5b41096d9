"""Lets a request and its answer pass an Observer as the proxy does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from laimark_sidecar.gateway.observing import Ending, Head, Observer


def request(target: str, headers: Mapping[str, str] | None = None) -> Head:
    return Head(method="POST", target=target, headers=tuple((headers or {}).items()))


def answer(content_type: str, *, status: int = 200, encoding: str = "") -> Head:
    return Head(status=status, headers=(("content-type", content_type), ("content-encoding", encoding)))


def sse(*events: object, last: str | None = "[DONE]") -> bytes:
    lines = [json.dumps(event) for event in events] + ([last] if last else [])
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def ndjson(*lines: object) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def passed(
    observer: Observer,
    asked: Head,
    body: object,
    answered: Head | None,
    chunks: Iterable[bytes] = (),
    *,
    how: Ending = "complete",
) -> dict[str, str]:
    """Return the headers that the observer adds to the answer."""
    observation = observer.begin(asked)
    if observation is None:
        return {}
    observation.asked(body if isinstance(body, bytes) else json.dumps(body).encode())
    observation.asked_whole()
    added = dict(observation.answering(answered)) if answered is not None else {}
    for chunk in chunks:
        observation.answered(chunk)
    observation.ended(how)
    return added
