"""One greedy answer of Ollama, whole: with the log-probs of all its tokens."""

from __future__ import annotations

from collections.abc import Sequence

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.runner import Reply, TokenLogprob


def answer(
    api: OllamaApi, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
) -> Reply:
    """Return what a model says, its thoughts included.

    A chat would take the thoughts out by their tags, and lose the log-probs of these; so its prompt is asked for and
    continued as it is. A name with a renderer of Ollama's own is asked in a chat: that loses none, and the prompt may
    begin with a token that the tokenizer would put there again.

    Source: Ollama 0.34 `server/routes.go` (`ChatHandler`, `GenerateHandler`, `leadingBOSForModel`).

    Raises:
        OllamaRefusedError: an unknown name (404), or it cannot answer.
        RunnerError: not reachable, or too old to tell what was asked for.
    """
    if api.show(model).renderer:
        said = api.chat(model, messages, max_tokens=max_tokens, logprobs=logprobs)
        text, finish, scored = said.message.content, said.done_reason, said.logprobs
    else:
        prompt = api.rendered(model, messages)
        more = api.continued(model, prompt, max_tokens=max_tokens, logprobs=logprobs)
        text, finish, scored = more.response, more.done_reason, more.logprobs
    if logprobs and not scored:
        raise RunnerError(f"Ollama at {api.url} returned no log-probs; it has them since 0.12.11")
    tokens = tuple(
        TokenLogprob(
            token=one.token,
            logprob=one.logprob,
            top=tuple((other.token, other.logprob) for other in one.top_logprobs),
        )
        for one in scored
    )
    return Reply(text=text, finish=finish, tokens=tokens)
