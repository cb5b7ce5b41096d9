"""The deep check: a version and the base answer public benchmarks, or tasks of the user's own, through the runner's API.

It decides nothing. What it found is kept beside the version for good, its digest in the reflog's hash chain.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_sidecar.clock import iso
from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.journal.consent import RECORD_HEADER
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.connect import runner_url
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.registry.names import file_name
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner
from laimark_sidecar.validation.harness import HarnessJob, MetricScores, run_harness
from laimark_sidecar.validation.harness_difference import Difference, differences

FORMAT_VERSION = 1
CHECKED = "deep check of"
"""How the record of each begins."""
_NOTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a deep check asks, and with what."""

    tasks: tuple[str, ...]
    """Of lm-eval, by name; each must let the model write."""
    limit: int
    """Questions a task; 0 for all."""
    include_path: str = ""
    """Folder with tasks of the user's own."""
    python: str = sys.executable
    """Interpreter of the environment that has lm_eval."""
    download: bool = False
    """Let it fetch data from the Hugging Face hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepCheck:
    """What a deep check found. Scores and places of questions; no question and no answer."""

    model: str
    """The version."""
    base: str
    """Name that the base was asked under."""
    base_sha256: str
    runner: str
    """Kind."""
    checked_s: float
    lm_eval: str
    """Its version."""
    tasks: tuple[str, ...]
    limit: int
    differences: tuple[Difference, ...]
    scores: dict[str, tuple[MetricScores, ...]]
    """By name; of every question, so that another version's can be paired with them later."""
    version: int = FORMAT_VERSION


def deep_check(workshop: Workshop, version: Version, questions: Questions, *, report: Report) -> DeepCheck:
    """Ask the base and a version the same questions through the runner; kept and on record when it returns.

    Nothing of it is recorded as conversation. Nothing is kept of a check that failed or was interrupted.

    Raises:
        BaseChangedError: the version was made for another base than the configured one, or the runner serves another.
        RunnerError: the runner is not there, does not serve the version, or cannot answer these questions.
        MissingExtraError: lm_eval, or a task's data, is not on this machine.
        DataError: there is no such task.
    """
    require_same(version.base, workshop.base.identity, where=version.name)
    runner = workshop.runner()
    require_same(workshop.base.identity, runner.base(), where="the runner")
    require_answers(runner, version.name)
    base = workshop.config.base.name
    job = HarnessJob(
        names=(base, version.name),
        url=f"{runner_url(workshop.config)}/v1/chat/completions",
        headers={RECORD_HEADER: "off"},
        tasks=questions.tasks,
        include_path=questions.include_path,
        limit=questions.limit,
    )
    with tempfile.TemporaryDirectory(prefix="laimark-deep-") as work:
        result = run_harness(
            job, Path(work), python=questions.python, download=questions.download, on_progress=report
        )
    check = DeepCheck(
        model=version.name,
        base=base,
        base_sha256=version.base.sha256,
        runner=workshop.config.runner.kind,
        checked_s=workshop.clock.now_s(),
        lm_eval=result.lm_eval,
        tasks=questions.tasks,
        limit=questions.limit,
        differences=differences(result.scores[base], result.scores[version.name]),
        scores=result.scores,
    )
    digest = _keep(workshop.home, check)
    workshop.registry.note(noted(check, digest))
    return check


def require_answers(runner: Runner, name: str) -> None:
    """Raise RunnerError unless a request to the runner's API can choose between the base and this version."""
    if not runner.capabilities().switch_per_request:
        raise RunnerError(
            "this llama-server answers every name with the version that serves now, so there is nothing to compare",
            hint='set runner.mode to "router"',
        )
    if name not in runner.names():
        raise RunnerError(
            f"the runner does not serve {name} at present",
            hint="the newest versions are served, as many as runner.kept says: raise it and restart the runner",
        )


def deep_checks(home: Home, version: str) -> tuple[DeepCheck, ...]:
    """Return the deep checks of a version, oldest first.

    Raises:
        StateError: a file is damaged or of a newer format; names it.
    """
    return tuple(
        decode_versioned(
            path.read_bytes(),
            DeepCheck,
            newest=FORMAT_VERSION,
            what=str(path),
            hint="delete it: the figures of a deep check decide nothing",
        )
        for path in sorted(_folder(home, version).glob("*.json"))
    )


def noted(check: DeepCheck, digest: str) -> str:
    """Return what the reflog says of a check: its first figures, and the digest of the file with all of them."""
    figures = [f"{one.task} {one.metric} {changed(one)}" for one in check.differences[:_NOTED]]
    if more := len(check.differences) - len(figures):
        figures.append(f"{more} more")
    return f"{CHECKED} {check.model}: {', '.join(figures)} (sha256 {digest[:16]})"


def changed(one: Difference) -> str:
    """Return a difference with its standard error, `+0.030 ± 0.021`."""
    return f"{one.difference:+.3f}" + ("" if one.stderr is None else f" ± {one.stderr:.3f}")


def _keep(home: Home, check: DeepCheck) -> str:
    content = msgspec.json.encode(check)
    folder = make_dir(_folder(home, check.model))
    # Without colons, which mean a stream to Windows; in the order of time.
    write_atomic(folder / f"{iso(check.checked_s).replace(':', '')}.json", content)
    return hashlib.sha256(content).hexdigest()


def _folder(home: Home, version: str) -> Path:
    return home.deep / file_name(version).removesuffix(".json")
