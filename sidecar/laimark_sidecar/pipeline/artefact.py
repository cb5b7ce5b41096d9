"""The very thing that would be served: the adapter beside the base, or, where the runner takes none, a merged model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laimark_sidecar.pipeline.connect import driver
from laimark_sidecar.pipeline.merging import answered, merged
from laimark_sidecar.pipeline.prompts import runner_s_own
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.validation.fingerprint import Fingerprint
from laimark_sidecar.validation.score_job import Candidate


def serves_merged(workshop: Workshop) -> bool:
    """Return whether versions reach the user as merged models.

    Raises:
        RunnerError: only the runner can tell, and it is not reachable.
    """
    config = workshop.config
    if driver(config) != "ollama" or config.ollama.route == "adapter":
        return False
    return config.ollama.route == "merged" or not workshop.runner().capabilities().adapters


@contextmanager
def candidate(workshop: Workshop, name: str, adapter: Path) -> Iterator[Candidate]:
    """Lend what would be served of an adapter, to be scored; a merged model is made for it and deleted afterwards.

    Raises:
        ConversionError, StateError, RunnerError: as `merged` and `serves_merged` do.
    """
    if not serves_merged(workshop):
        yield Candidate(name=name, adapter_gguf=str(adapter))
        return
    folder = workshop.home.merged
    with merged(
        folder,
        workshop.base.gguf,
        adapter,
        touched=workshop.config.ollama.merged_type,
        prompts=runner_s_own(workshop, folder / "prompts.json", ()),
        threads=workshop.config.training.threads,
    ) as model:
        yield Candidate(name=name, model_gguf=str(model.path))


def merged_answers(workshop: Workshop, adapter: Path) -> tuple[Fingerprint, ...]:
    """Return what merged models of an adapter answer; it is merged once more where that was forgotten and is needed.

    Raises:
        ConversionError, StateError, RunnerError: as `candidate` does.
    """
    known = answered(workshop.home.merged, adapter)
    if known or not serves_merged(workshop):
        return known
    with candidate(workshop, "forgotten", adapter):
        return answered(workshop.home.merged, adapter)
