"""`python -m laimark_sidecar.training.worker.rendering BASE_DIR PROMPTS`: what training makes of `CONVERSATIONS`, as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import DataError, LaimarkError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.template import PromptTemplate
from laimark_sidecar.training.rendering import CONVERSATIONS, Renderings, Trained, digest
from laimark_sidecar.training.worker.text_tokens import TextTokens
from laimark_sidecar.training.worker.tokens import prompt_template, text_tokens

T = TypeVar("T")


def rendering_sha256(tokens: TextTokens, template: PromptTemplate) -> str:
    """Return the digest that is kept with each version."""
    return digest(_each(lambda messages: tokens.prompt(template.render(messages))))


def rendered(tokens: TextTokens, template: PromptTemplate) -> Renderings:
    """Return what this tokenizer and its template make of the set, as dated now and as training dates it."""
    clock = SystemClock()

    def now(messages: Sequence[Message]) -> Trained:
        text = template.render(messages, clock=clock)
        return Trained(text=text, tokens=tuple(tokens.prompt(text)))

    return Renderings(now=tuple(_each(now)), sha256=rendering_sha256(tokens, template))


def _each(make: Callable[[Sequence[Message]], T]) -> list[T | None]:
    found: list[T | None] = []
    for messages in CONVERSATIONS:
        try:
            found.append(make(messages))
        except DataError:  # the template refuses it, for example for its order of roles
            found.append(None)
    return found


def main(arguments: list[str]) -> int:
    """Write the renderings to stdout; return the exit code."""
    base_dir, prompts = arguments
    try:
        tokens = text_tokens(Path(base_dir))
        found = rendered(tokens, prompt_template(tokens, prompts))
    except LaimarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
