"""Asks a runner for the prompts that it makes of conversations, and keeps them where they are not the base's own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.files import make_dir
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.prompts import RenderedPrompts, key
from laimark_sidecar.llamacpp.template import ChatTemplate
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile
from laimark_sidecar.logs import action
from laimark_sidecar.runners.runner import Rendering, Runner
from laimark_sidecar.training.rendering import CONVERSATIONS, PROBES
from laimark_sidecar.validation.fingerprint import FINGERPRINT_PROMPT

log = logging.getLogger(__name__)
ALWAYS = (*CONVERSATIONS, *PROBES, (Message(role="user", content=FINGERPRINT_PROMPT),))
"""What is asked beside the user's own conversations."""


def write_rendered(runner: Runner, gguf: Path, path: Path, conversations: Iterable[Sequence[Message]]) -> str:
    """Write a runner's renderings to `path` and return that; empty where the base's own template makes the same prompts.

    Args:
        runner: asked for each prompt; a conversation that it refuses is left out.
        gguf: the base, whose template is compared and whose begin-of-text token llama.cpp puts before every prompt.
        path: of the table. It holds what the user said: it belongs where the conversations are kept already.
        conversations: those whose prompts are needed, beside `ALWAYS`.

    Raises:
        RunnerError: the runner is not reachable.
    """
    if not runner.capabilities().renders:
        return ""
    with VocabularyFile(gguf) as file:
        words = file.vocabulary
        begin = words.bos if words.tokenize("", bos=True) else ""
        alike = _reads_alike(runner, _template(file), begin)
    if alike:
        return ""
    asked = ((one, rendered(runner, one)) for one in (*ALWAYS, *conversations))
    # Once, whoever writes it: as `Vocabulary.prompt` has it.
    texts = {key(one): begin + made.text.removeprefix(begin) for one, made in asked if made is not None}
    make_dir(path.parent)
    RenderedPrompts(texts).write(path)
    log.info("%d prompts are the runner's own renderings", len(texts), extra=action("pipeline.rendered"))
    return str(path)


def rendered(runner: Runner, messages: Sequence[Message]) -> Rendering | None:
    """Return what the runner makes of a conversation, None for one that it refuses.

    Raises:
        RunnerError: it is not reachable.
    """
    try:
        return runner.render(messages)
    except RunnerError as error:
        runner.names()  # raises where it is not the conversation that it refuses
        log.info("the runner refuses a conversation: %s", error, extra=action("pipeline.rendered.refused"))
        return None


def _template(file: VocabularyFile) -> ChatTemplate | None:
    try:
        return ChatTemplate(file.template, bos=file.vocabulary.bos, eos=file.vocabulary.eos)
    except DataError:  # a base without one: then the runner's is the only one there is
        return None


def _reads_alike(runner: Runner, template: ChatTemplate | None, begin: str) -> bool:
    if template is None:
        return False
    for messages in CONVERSATIONS:
        try:
            ours = template.render(messages)
        except DataError:
            continue  # never trained on
        theirs = rendered(runner, messages)
        if theirs is None or ours.removeprefix(begin) != theirs.text.removeprefix(begin):
            return False
    return True
