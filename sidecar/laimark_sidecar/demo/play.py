"""The whole demo from an empty folder to checked claims."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.demo.claims import Claim, claims
from laimark_sidecar.demo.code_base import CodeBase, own_sources, read_code
from laimark_sidecar.demo.likelihood import exam_margin
from laimark_sidecar.demo.report import Row, picture, rows, summary
from laimark_sidecar.demo.scenario import Course, Say, run_course
from laimark_sidecar.demo.stage import Stage, free_port, staged
from laimark_sidecar.demo.user import Client, examine
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import make_dir
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.initialise import Setting, initialise
from laimark_sidecar.pipeline.promote import rollback
from laimark_sidecar.pipeline.serving import BASE
from laimark_sidecar.pipeline.workshop import Workshop, open_workshop
from laimark_sidecar.registry.version import Version

TUNED = "me:latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What the demo leaves to be shown."""

    home: Path
    tuned_name: str
    headline: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    picture: Path | None
    summary: dict[str, object]


def play(*, code: Path | None, out: Path | None, rounds: int, asks: int, exam: int, say: Say) -> Play:
    """Run the demo and return its outcome; runner and daemon are stopped when it returns.

    Raises:
        DataError: there is too little code.
        StateError: `out` holds a home already.
        RunnerError, TrainingError: the runner, the daemon or a cycle failed.
    """
    started_s = time.monotonic()
    tasks = read_code((code or own_sources()).resolve(), rounds=rounds, asks=asks, exam=exam)
    home = Home(root=make_dir(out.resolve()) if out else Path(tempfile.mkdtemp(prefix="laimark-demo-")))
    port = free_port()
    if not initialise(home, record=True, settings=demo_settings(port)):
        raise StateError(
            f"{home.root} holds a home already", hint="give the demo an empty folder: demo --out DIR"
        )
    workshop = open_workshop(home, clock=SystemClock())
    with staged(home.root, port) as stage:
        course = run_course(stage, tasks, rounds=rounds, base_name=BASE, tuned_name=TUNED, say=say)
        latest = workshop.registry.refs().get("latest", "")
        version = workshop.registry.get(latest) if latest else None
        margin = (
            exam_margin(workshop, version, tasks.exam, home.root / "scoring", report=say) if version else None
        )
        restored = version is not None and _restored(workshop, stage, tasks, course, say)
        problems = len(checkup(workshop))
    found = claims(
        course,
        version,
        margin,
        kl_alarm=workshop.config.gate.kl_alarm,
        rolled_back=restored,
        problems=problems,
    )
    seconds = time.monotonic() - started_s
    return Play(
        home=home.root,
        tuned_name=TUNED,
        headline=_headline(tasks, course, seconds),
        rows=rows(course, version, margin, _adapter_bytes(workshop, version)),
        claims=found,
        picture=picture(course, home.root / "learning-curve.png"),
        summary=summary(course, version, margin, found, seconds=seconds),
    )


def demo_settings(port: int) -> dict[str, dict[str, Setting]]:
    """Return what differs from the defaults: a user who is in a hurry, trusts himself, and has a tiny model."""
    return {
        "runner": {"port": port, "threads": 1},
        "replay": {"quarantine_hours": 0.0},
        "training": {"learning_rate": 1e-3},
        "schedule": {"idle_s": 1.0, "min_new": 8, "min_interval_s": 0.0},
        "promotion": {"mode": "auto"},
    }


def _restored(workshop: Workshop, stage: Stage, tasks: CodeBase, course: Course, say: Say) -> bool:
    """Roll back and compare every answer with those that were given before the last promotion."""
    before = course.base_answers
    last = max(n for n, one in enumerate(course.rounds) if one.closed.ending == "promoted")
    for one in course.rounds[:last]:
        if one.closed.ending == "promoted":
            before = one.answers
    rollback(workshop)
    now = examine(
        Client(stage.url, record=False),
        TUNED,
        tasks.exam,
        done=lambda n: say("exam after `rollback`", n / len(tasks.exam)),
    )
    return now == before


def _headline(tasks: CodeBase, course: Course, seconds: float) -> str:
    asked = sum(one.session.asked for one in course.rounds)
    corrected = sum(one.session.corrected for one in course.rounds)
    learning = sum(one.seconds for one in course.rounds)
    return (
        f"{len(course.rounds)} sessions on {tasks.work_files} files: {asked} completions asked, {corrected} corrected; "
        f"{learning:.0f} s of learning; exam of {len(tasks.exam)} prompts from {tasks.exam_files} other files; "
        f"{seconds:.0f} s in all"
    )


def _adapter_bytes(workshop: Workshop, version: Version | None) -> int:
    return workshop.registry.objects.path(version.objects["adapter.gguf"]).stat().st_size if version else 0
