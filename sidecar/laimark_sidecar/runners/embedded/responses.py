"""Writes answers in OpenAI's shape, whole or as server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from laimark_sidecar.runners.runner import TokenLogprob

Shape = Literal["chat", "completion"]
END_OF_STREAM = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every part of one answer repeats."""

    id: str
    created_s: int
    model: str
    shape: Shape

    def whole(
        self,
        *,
        text: str,
        finish: str,
        prompt_tokens: int,
        answer_tokens: int,
        logprobs: Sequence[TokenLogprob] | None,
    ) -> bytes:
        """Return the JSON of a finished answer."""
        body = {"message": {"role": "assistant", "content": text}} if self.shape == "chat" else {"text": text}
        choice = {"index": 0, **body, "logprobs": self._logprobs(logprobs), "finish_reason": finish}
        kind = "chat.completion" if self.shape == "chat" else "text_completion"
        return msgspec.json.encode(
            {**self._head(kind), "choices": [choice], "usage": _usage(prompt_tokens, answer_tokens)}
        )

    def opening(self) -> bytes:
        """Return the first event of a chat stream, which names the role; a completion stream has none."""
        return (
            self._event({"delta": {"role": "assistant", "content": ""}}, None, None)
            if self.shape == "chat"
            else b""
        )

    def delta(self, text: str, logprob: TokenLogprob | None) -> bytes:
        """Return the event of some more text."""
        body = {"delta": {"content": text}} if self.shape == "chat" else {"text": text}
        return self._event(body, None, None if logprob is None else [logprob])

    def closing(self, finish: str) -> bytes:
        """Return the event that says why the answer ended."""
        return self._event({"delta": {}} if self.shape == "chat" else {"text": ""}, finish, None)

    def usage(self, prompt_tokens: int, answer_tokens: int) -> bytes:
        """Return the event that `stream_options.include_usage` asks for."""
        return _sse(
            {**self._head(self._chunk_kind()), "choices": [], "usage": _usage(prompt_tokens, answer_tokens)}
        )

    def _event(
        self, body: dict[str, Any], finish: str | None, logprobs: Sequence[TokenLogprob] | None
    ) -> bytes:
        choice = {"index": 0, **body, "logprobs": self._logprobs(logprobs), "finish_reason": finish}
        return _sse({**self._head(self._chunk_kind()), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created_s, "model": self.model}

    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self.shape == "chat" else "text_completion"

    def _logprobs(self, tokens: Sequence[TokenLogprob] | None) -> dict[str, Any] | None:
        if tokens is None:
            return None
        if self.shape == "completion":
            return {
                "tokens": [token.token for token in tokens],
                "token_logprobs": [token.logprob for token in tokens],
                "top_logprobs": [dict(token.top) for token in tokens],
            }
        content = [
            {**_entry(token.token, token.logprob), "top_logprobs": [_entry(*other) for other in token.top]}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _usage(prompt_tokens: int, answer_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": answer_tokens,
        "total_tokens": prompt_tokens + answer_tokens,
    }


def _sse(event: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"
