"""Which dialect a path speaks."""

from __future__ import annotations

from laimark_sidecar.gateway.dialects.anthropic import anthropic
from laimark_sidecar.gateway.dialects.dialect import Dialect
from laimark_sidecar.gateway.dialects.llama_server import llama_completion, llama_infill
from laimark_sidecar.gateway.dialects.ollama import ollama_chat, ollama_generate
from laimark_sidecar.gateway.dialects.openai_chat import openai_chat
from laimark_sidecar.gateway.dialects.openai_responses import openai_responses
from laimark_sidecar.gateway.dialects.openai_text import openai_text

DIALECTS: dict[str, Dialect] = {
    "/api/chat": ollama_chat,
    "/api/generate": ollama_generate,
    "/v1/chat/completions": openai_chat,
    "/chat/completions": openai_chat,
    "/v1/completions": openai_text,
    "/v1/responses": openai_responses,
    "/responses": openai_responses,
    "/v1/messages": anthropic,
    "/completion": llama_completion,
    "/completions": llama_completion,
    "/infill": llama_infill,
}


def dialect_of(method: str, target: str) -> Dialect | None:
    """Return what a request speaks, by method and target (path and query); None for what is no conversation."""
    path = target.partition("?")[0]
    return DIALECTS.get(path.rstrip("/")) if method == "POST" else None
