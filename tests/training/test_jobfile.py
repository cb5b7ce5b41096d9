from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.training.conftest import JobMaker, small_examples

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.job import FORMAT_VERSION, Progress, TrainResult
from laimark_sidecar.training.jobfile import (
    decode_progress,
    encode_progress,
    read_examples,
    read_job,
    read_result,
    write_examples,
    write_job,
)


def test_a_job_comes_back_as_it_was_written(make_job: JobMaker, tmp_path: Path) -> None:
    job = make_job()
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job


def test_examples_come_back_in_order(tmp_path: Path) -> None:
    examples = small_examples()
    write_examples(tmp_path / "examples.jsonl", examples)
    assert read_examples(tmp_path / "examples.jsonl") == tuple(examples)


def test_a_malformed_example_is_named_by_its_line_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    write_examples(path, small_examples()[:1])
    path.write_bytes(path.read_bytes() + b'{"id":"x","target":"my secret"}\n')
    with pytest.raises(TrainingError, match=r"examples\.jsonl:2 is malformed") as caught:
        read_examples(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "one"}', b"\xff\xfe", b'{"version": 1}'])
def test_a_malformed_job_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"job\.json is malformed"):
        read_job(path)


def test_a_missing_job_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot read .*job\.json"):
        read_job(tmp_path / "job.json")


def test_a_job_of_a_newer_version_is_refused_with_a_hint(make_job: JobMaker, tmp_path: Path) -> None:
    write_job(tmp_path / "job.json", make_job(version=FORMAT_VERSION + 1))
    with pytest.raises(TrainingError, match="format version 2") as caught:
        read_job(tmp_path / "job.json")
    assert "same laimark-sidecar version" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", -1),
        ("micro_batch_size", 0),
        ("learning_rate", 0.0),
        ("core_share", -0.1),
        ("gamma", 1.5),
        ("average", 1.0),
        ("parent_curvature", "somewhere/curvature.safetensors"),
    ],
)
def test_a_setting_that_cannot_train_is_named(
    make_job: JobMaker, tmp_path: Path, name: str, value: float | str
) -> None:
    write_job(tmp_path / "job.json", make_job(**{name: value}))
    with pytest.raises(TrainingError, match=name):
        read_job(tmp_path / "job.json")


def test_a_result_is_read_from_its_folder(tmp_path: Path) -> None:
    result = TrainResult(steps=2, losses=(1.5, 1.25), kl_core=0.01, tools={"torch": "2"})
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(result))
    assert read_result(tmp_path) == result


def test_a_line_that_is_not_progress_is_nothing() -> None:
    progress = Progress(step=1, steps=2, phase="train", loss=0.1)
    assert decode_progress(encode_progress(progress)) == progress
    assert decode_progress("Loading weights: 100%") is None
    assert decode_progress('{"step": "one"}') is None
