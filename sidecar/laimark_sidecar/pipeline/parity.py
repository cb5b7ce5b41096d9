"""Does the runner make the same tokens of a conversation as training does? Asked before training, and before promoting."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.llamacpp.vocabulary import Vocabulary
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.prompts import runner_s_own
from laimark_sidecar.pipeline.rendered import rendered
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.rendering import CONVERSATIONS, Renderings, Trained, renderings

log = logging.getLogger(__name__)
_HINT = (
    "a model trained so would be asked in other words than it learned: serve the template that the base's file has, "
    "set base.hf and base.gguf to the same model, or leave base.hf empty: then training reads as the served file says"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first conversation of which the runner makes something else."""

    number: int
    """Its place in `CONVERSATIONS`, from 1."""
    what: str


def first_difference(
    trained: Sequence[Trained | None], served: Sequence[Sequence[int] | None]
) -> Difference | None:
    """Compare what training reads with what the runner would decode, conversation by conversation.

    A begin-of-text token must be there once: equal, and not twice.

    Args:
        trained: as training renders them; None is one that its template refuses, which is not compared.
        served: the runner's tokens in the same order; None is one that it refuses.
    """
    for number, (ours, theirs) in enumerate(zip(trained, served, strict=True), start=1):
        if ours is None:
            continue
        what = _compared(ours.tokens, theirs)
        if what:
            return Difference(number=number, what=what)
    firsts = [one.tokens[:2] for one in trained if one is not None]
    if firsts and all(len(pair) == 2 and pair[0] == pair[1] for pair in firsts):
        return Difference(
            number=1, what="both begin with the same token twice, as with two begin-of-text tokens"
        )
    return None


def require_parity(
    workshop: Workshop, runner: Runner, base_dir: Path, *, prompts: str = ""
) -> Renderings | None:
    """Return what training makes of the set, which is what the runner makes of it; None where the runner cannot tell.

    Args:
        workshop: whose training environment is asked.
        runner: that serves the base.
        base_dir: of the training base.
        prompts: file of the runner's own renderings, where training reads those.

    Raises:
        ConfigError: they differ; names the first conversation and where.
        RunnerError: the runner is not reachable.
        TrainingError: the training base has no usable template or tokenizer.
    """
    if not runner.capabilities().renders:
        log.info("the runner does not tell its prompts: not compared", extra=action("pipeline.parity.none"))
        return None
    ours = renderings(base_dir, python=workshop.config.training.python, prompts=prompts)
    with VocabularyFile(workshop.base.gguf) as file:
        served = [
            None if mine is None else _decoded(runner, file.vocabulary, number)
            for number, mine in enumerate(ours.now)
        ]
    if found := first_difference(ours.now, served):
        raise ConfigError(
            f"the runner does not read conversations as training does: conversation {found.number} of "
            f"{len(CONVERSATIONS)} fixed ones: {found.what}",
            hint=_HINT,
        )
    return ours


def parity_before_training(workshop: Workshop, job: TrainJob) -> None:
    """Refuse to train what the runner would ask in other tokens.

    A runner that is not there is no reason not to train: nothing is promoted before it was asked.

    Raises:
        ConfigError, TrainingError: as `require_parity` does.
    """
    try:
        require_parity(workshop, workshop.runner(), Path(job.base_dir), prompts=job.prompts)
    except RunnerError as error:
        log.warning("not compared before training: %s", error, extra=action("pipeline.parity.unreachable"))


def parity_now(workshop: Workshop, runner: Runner) -> Renderings | None:
    """Return what training would make of the set now, which is what the runner makes of it; as `require_parity`.

    None also where the training base is not there yet, or was deleted, to be made again when training needs it.
    """
    if not workshop.base.hf_dir.is_dir():
        log.info("no training base: not compared", extra=action("pipeline.parity.none"))
        return None
    with tempfile.TemporaryDirectory(prefix="laimark-prompts-") as folder:
        prompts = runner_s_own(workshop, Path(folder) / "prompts.json", ())
        return require_parity(workshop, runner, workshop.base.hf_dir, prompts=prompts)


def parity_before_promotion(workshop: Workshop, runner: Runner, version: Version) -> None:
    """Refuse to point at a version that was trained on other tokens than the runner sends now.

    The template may have changed since, with the runner or with the training base. A version of an earlier release does
    not say what it was trained on; the runner is compared with the training base alone then.

    Raises:
        ConfigError: they differ.
        RunnerError: the runner is not reachable.
    """
    ours = parity_now(workshop, runner)
    if ours and version.rendering_sha256 and ours.sha256 != version.rendering_sha256:
        raise ConfigError(
            f"{version.name} was trained on other prompts than the training base {workshop.base.hf_dir} makes now "
            f"(rendering {version.rendering_sha256[:12]}, now {ours.sha256[:12]})",
            hint="restore the base's chat template and tokenizer, or train again",
        )


def _decoded(runner: Runner, vocabulary: Vocabulary, number: int) -> tuple[int, ...] | None:
    """Return the tokens that the runner decodes for a conversation, None where it refuses it.

    Where it tells the text alone (Ollama), llama.cpp inside it makes of that what llama.cpp here does.
    """
    found = rendered(runner, CONVERSATIONS[number])
    if found is None:
        return None
    return tuple(vocabulary.prompt(found.text)) if found.tokens is None else found.tokens


def _compared(ours: Sequence[int], theirs: Sequence[int] | None) -> str:
    if theirs is None:
        return "the runner refuses it, training does not"
    for place, (mine, other) in enumerate(itertools.zip_longest(ours, theirs)):
        if mine != other:
            return f"token {place + 1} is {_named(other)} to the runner and {_named(mine)} to training"
    return ""


def _named(token: int | None) -> str:
    return "none" if token is None else str(token)
