"""`python -m laimark_sidecar.training.worker.rendering BASE_DIR`: what training makes of `CONVERSATIONS`, as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import DataError, LaimarkError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.training.rendering import CONVERSATIONS, Renderings, Trained, digest
from laimark_sidecar.training.worker.text_tokens import TextTokens
from laimark_sidecar.training.worker.tokens import text_tokens

T = TypeVar("T")


def rendering_sha256(tokens: TextTokens) -> str:
    """Return the digest that is kept with each version."""
    return digest(_each(lambda messages: tokens.ids(tokens.template.render(messages))))


def rendered(tokens: TextTokens) -> Renderings:
    """Return what this tokenizer and its template make of the set, as dated now and as training dates it."""
    clock = SystemClock()

    def now(messages: Sequence[Message]) -> Trained:
        text = tokens.template.render(messages, clock=clock)
        return Trained(text=text, tokens=tuple(tokens.ids(text)))

    return Renderings(now=tuple(_each(now)), bos=tokens.template.bos, sha256=rendering_sha256(tokens))


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
    try:
        found = rendered(text_tokens(Path(arguments[0])))
    except LaimarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
