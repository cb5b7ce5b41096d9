"""Whose template makes the prompts: the base's own, or the runner's, where it reads conversations in another way.

Ollama has templates in a language of its own, and often other words in them than the base's GGUF. What a version is
trained on, scored on and compared by must be what it will be asked, so there every prompt is one that Ollama rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.pipeline.connect import driver
from laimark_sidecar.pipeline.rendered import write_rendered
from laimark_sidecar.pipeline.workshop import Workshop


def runner_s_own(workshop: Workshop, path: Path, conversations: Iterable[Sequence[Message]]) -> str:
    """Write the runner's renderings to `path` and return that; empty where the base's template makes the same prompts.

    Only Ollama is asked. The others run the template of the base's GGUF in llama.cpp and tell the tokens: see `parity`.

    Raises:
        RunnerError: Ollama is not reachable.
    """
    if driver(workshop.config) != "ollama":
        return ""
    return write_rendered(workshop.runner(), workshop.base.gguf, path, conversations)
