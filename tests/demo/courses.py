"""Material for the demo's tests: tasks, sessions and versions made by hand, and a small runner that answers by rule."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.exam import Marks
from laimark_sidecar.demo.scenario import Course, Round
from laimark_sidecar.demo.user import Session
from laimark_sidecar.pipeline.folder import Closed, CycleFolder, Ending, Judgement
from laimark_sidecar.registry.version import BaseIdentity, Version
from laimark_sidecar.validation.statistics import Estimate
from laimark_sidecar.validation.verdict import Verdict

FOURS = 10
"""The exam is four prompts, ten times over: enough for an interval, few enough for a sum by hand."""
BASE_MARKS = Marks(exact=(0.0, 0.0, 0.0, 1.0) * FOURS, similarity=(0.2, 0.4, 0.6, 1.0) * FOURS)
BETTER = Marks(exact=(1.0, 0.0, 1.0, 1.0) * FOURS, similarity=(1.0, 0.8, 1.0, 1.0) * FOURS)
WORSE = Marks(exact=(0.0,) * 4 * FOURS, similarity=(0.1, 0.2, 0.3, 0.4) * FOURS)


def task(answer: str, *, prompt: str = "next line?") -> Task:
    return Task(kind="complete", prompt=prompt, answer=answer)


def round_in(
    folder: Path, number: int, *, marks: Marks = BETTER, ending: Ending = "promoted", kl: float = 0.01
) -> Round:
    """Return session `number`, its cycle's judgement on the disk."""
    cycle = CycleFolder(root=folder / f"cycle-{number}")
    verdict = Verdict(accepted=ending == "promoted", reasons=(), metrics={"kl": kl})
    cycle.write_judgement(Judgement(scale=1.0, verdict=verdict))
    name = f"me:2026-11-22-000{number}" if ending == "promoted" else ""
    return Round(
        session=Session(asked=10, right=4, corrected=6),
        closed=Closed(ending=ending, version=name, reason="because", closed_s=1.0),
        cycle=cycle,
        answers=tuple(f"answer {number}-{n}" for n in range(len(marks.exact))),
        marks=marks,
        seconds=2.5,
        step_seconds=0.25,
    )


def course_in(folder: Path, *rounds: Round) -> Course:
    """Return a course over one exam; two promoted sessions unless others are given."""
    return Course(
        base_answers=("a", "b", "c", "d") * FOURS,
        base_marks=BASE_MARKS,
        rounds=rounds or (round_in(folder, 1), round_in(folder, 2, kl=0.02)),
    )


def version_of(*, kl: float, core: float) -> Version:
    base = BaseIdentity(sha256="b" * 64, architecture="llama", template_sha256="c", tokenizer_sha256="d")
    return Version(
        name="me:2026-11-22-0002",
        created_s=1.0,
        parent="",
        base=base,
        objects={},
        cycle="cycle-2",
        metrics={"gain": 0.5, "gain_low": 0.25, "gain_high": 0.75, "core": core, "kl": kl},
        verdict="accepted",
    )


Reply = Callable[[dict[str, Any]], tuple[int, bytes]]


def says(text: str) -> tuple[int, bytes]:
    """Return a chat completion with this content."""
    return 200, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Heard:
    """What a runner was asked, in order: bodies and headers (lower case)."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def runner(reply: Reply) -> Iterator[tuple[str, Heard]]:
    """Serve the chat endpoint on loopback, answering each body with what `reply` makes of it."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.bodies.append(body)
            heard.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, content = reply(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def margin_of(low: float) -> Estimate:
    """A margin of .3 nats per token whose interval begins at `low`."""
    return Estimate(mean=0.3, low=low, high=0.5, p=0.01, n=40, confidence=0.95, method="bootstrap")
