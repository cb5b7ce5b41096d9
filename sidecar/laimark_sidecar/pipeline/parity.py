"""Does the runner make the same tokens of a conversation as training does? Asked before training, and before promoting."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.prompts import runner_s_own
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Rendering, Runner
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.rendering import CONVERSATIONS, Renderings, Trained, renderings

log = logging.getLogger(__name__)
_SHOWN = 24
"""Characters of a text that are shown around a difference; the texts are ours, not a user's."""
_HINT = (
    "a model trained so would be asked in other words than it learned: serve the template that the base's file has, "
    "or set base.hf and base.gguf to the same model"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first conversation of which the runner makes something else."""

    number: int
    """Its place in `CONVERSATIONS`, from 1."""
    what: str


def first_difference(
    trained: Sequence[Trained | None], served: Sequence[Rendering | None], *, bos: str
) -> Difference | None:
    """Compare what training reads with what the runner would be given, conversation by conversation.

    Token ids decide where the runner tells them, else the text, in which either side may leave the begin-of-text token to
    its tokenizer. A begin-of-text token must be there once: equal, and not twice.

    Args:
        trained: as training renders them; None is one that its template refuses, which is not compared.
        served: as the runner renders them, in the same order; None is one that it refuses.
        bos: text of the begin-of-text token, empty where there is none.
    """
    for number, (ours, theirs) in enumerate(zip(trained, served, strict=True), start=1):
        if ours is None:
            continue
        what = _refused() if theirs is None else _compared(ours, theirs, bos)
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
    served = [None if mine is None else _rendered(runner, number) for number, mine in enumerate(ours.now)]
    if found := first_difference(ours.now, served, bos=ours.bos):
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


def parity_before_promotion(workshop: Workshop, runner: Runner, version: Version) -> None:
    """Refuse to point at a version that was trained on other tokens than the runner sends now.

    The template may have changed since, with the runner or with the training base. A version of an earlier release does
    not say what it was trained on; the runner is compared with the training base alone then. Where the training base
    was deleted, to be made again when training needs it, nothing is compared.

    Raises:
        ConfigError: they differ.
        RunnerError: the runner is not reachable.
    """
    if not workshop.base.hf_dir.is_dir():
        log.info("no training base: not compared", extra=action("pipeline.parity.none"))
        return
    with tempfile.TemporaryDirectory(prefix="laimark-prompts-") as folder:
        prompts = runner_s_own(workshop, Path(folder) / "prompts.json", ())
        ours = require_parity(workshop, runner, workshop.base.hf_dir, prompts=prompts)
    if ours and version.rendering_sha256 and ours.sha256 != version.rendering_sha256:
        raise ConfigError(
            f"{version.name} was trained on other prompts than the training base {workshop.base.hf_dir} makes now "
            f"(rendering {version.rendering_sha256[:12]}, now {ours.sha256[:12]})",
            hint="restore the base's chat template and tokenizer, or train again",
        )


def _rendered(runner: Runner, number: int) -> Rendering | None:
    try:
        return runner.render(CONVERSATIONS[number])
    except RunnerError as error:
        runner.names()  # raises where it is not the conversation that it refuses
        log.info("conversation %d is refused: %s", number + 1, error, extra=action("pipeline.parity.refused"))
        return None


def _refused() -> str:
    return "the runner refuses it, training does not"


def _compared(ours: Trained, theirs: Rendering, bos: str) -> str:
    if theirs.tokens is not None:
        return _token_difference(ours.tokens, theirs.tokens)
    return _text_difference(_bare(ours.text, bos), _bare(theirs.text, bos))


def _token_difference(ours: Sequence[int], theirs: Sequence[int]) -> str:
    for place, (mine, other) in enumerate(itertools.zip_longest(ours, theirs)):
        if mine != other:
            return f"token {place + 1} is {_named(other)} to the runner and {_named(mine)} to training"
    return ""


def _named(token: int | None) -> str:
    return "none" if token is None else str(token)


def _text_difference(ours: str, theirs: str) -> str:
    if ours == theirs:
        return ""
    place = next(
        (n for n, (mine, other) in enumerate(zip(ours, theirs, strict=False)) if mine != other),
        min(len(ours), len(theirs)),
    )
    near = slice(max(0, place - _SHOWN // 2), place + _SHOWN // 2)
    return f"from character {place + 1} on the runner reads {theirs[near]!r} and training {ours[near]!r}"


def _bare(text: str, bos: str) -> str:
    return text.removeprefix(bos) if bos else text
