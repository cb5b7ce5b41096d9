"""Jobs on the demo base that are small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.training.job import Example, TrainJob
from laimark_sidecar.training.jobfile import write_examples, write_job

Pool = Literal["new", "user", "core"]
BASE_SHA256 = "0123456789abcdef" * 4
JobMaker = Callable[..., TrainJob]


def lesson(number: int, pool: Pool = "new") -> Example:
    """Return a short example that is the same for the same number."""
    ask = Message(role="user", content=f"Write function number {number}.")
    target = "" if pool == "core" else f"def function_{number}(value):\n    return value + {number}\n"
    return Example(id=f"{pool}-{number:03}", pool=pool, messages=(ask,), target=target)


def small_examples() -> list[Example]:
    return [
        *(lesson(number) for number in range(6)),
        *(lesson(number, "user") for number in range(10, 13)),
        *(lesson(number, "core") for number in range(20, 24)),
    ]


@pytest.fixture(scope="session")
def core_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of core answers for the whole session, as the jobs of one base share it."""
    return tmp_path_factory.mktemp("core-cache")


@pytest.fixture
def make_job(tmp_path: Path, demo_base_dir: Path, core_cache: Path) -> JobMaker:
    """Return a maker of jobs: `make_job("name", steps=3)` writes `name/job.json` and its examples."""

    def make(name: str = "job", *, examples: list[Example] | None = None, **settings: object) -> TrainJob:
        folder = tmp_path / name
        write_examples(folder / "examples.jsonl", small_examples() if examples is None else examples)
        job = TrainJob(
            base_dir=str(demo_base_dir),
            base_sha256=BASE_SHA256,
            examples=str(folder / "examples.jsonl"),
            out_dir=str(folder / "out"),
            work_dir=str(folder / "work"),
            cache_dir=str(core_cache),
            device="cpu",
            steps=6,
            batch_size=4,
            micro_batch_size=2,
            max_length=128,
            rank=4,
            alpha=8.0,
            learning_rate=2e-3,
            warmup_steps=2,
            checkpoint_every_steps=2,
        )
        job = replace(job, **settings)  # type: ignore[arg-type] # the test names real fields
        write_job(folder / "job.json", job)
        return job

    return make
