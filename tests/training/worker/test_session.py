"""Whole jobs in this process; the same as real child processes is in `tests/training/test_launch.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file
from tests.training.conftest import JobMaker, lesson

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.job import Curvature, Progress, TrainJob, TrainResult
from laimark_sidecar.training.jobfile import read_result
from laimark_sidecar.training.worker.backend import ADAPTER_FILE
from laimark_sidecar.training.worker.curvature import anchor_kind, load_anchor
from laimark_sidecar.training.worker.session import run
from laimark_sidecar.training.worker.stop import StopFlag, StopRequestedError

CPU = torch.device("cpu")


def train(job: TrainJob, *, told: list[Progress] | None = None) -> TrainResult:
    run(job, stop=StopFlag(), emit=(told if told is not None else []).append, clock=SystemClock())
    return read_result(Path(job.out_dir))


def stop_at(job: TrainJob, when: Callable[[Progress], bool]) -> None:
    """Run the job and ask it to stop when a progress record says so."""
    flag = StopFlag()

    def emit(progress: Progress) -> None:
        flag.requested = flag.requested or when(progress)

    with pytest.raises(StopRequestedError):
        run(job, stop=flag, emit=emit, clock=SystemClock())
    assert not Path(job.out_dir).exists()


def test_a_repeated_lesson_is_learned(make_job: JobMaker) -> None:
    told: list[Progress] = []
    result = train(make_job(examples=[lesson(1)], steps=12, batch_size=2, learning_rate=5e-3), told=told)
    assert result.losses[-1] < 0.5 * result.losses[0]
    assert (result.steps, len(result.losses), result.stopped) == (12, 12, "")
    assert [progress.phase for progress in told][-2:] == ["curvature", "done"]


def test_equal_jobs_give_equal_losses_and_other_seeds_others(make_job: JobMaker) -> None:
    first, second = train(make_job("one", steps=3)), train(make_job("two", steps=3))
    assert first.losses == second.losses
    assert train(make_job("three", steps=3, seed=4)).losses != first.losses


def test_a_job_stopped_anywhere_goes_on_to_the_same_losses_and_the_same_adapter(make_job: JobMaker) -> None:
    whole = make_job("whole", steps=7)
    expected = train(whole)
    broken = make_job("broken", steps=7)
    stop_at(broken, lambda p: p.phase == "train" and p.step == 1)
    stop_at(broken, lambda p: p.phase == "train" and p.step == 5)
    stop_at(broken, lambda p: p.phase == "curvature")
    assert train(broken).losses == expected.losses
    for name in ("adapter/adapter_model.safetensors", "curvature.safetensors"):
        assert (Path(broken.out_dir) / name).read_bytes() == (Path(whole.out_dir) / name).read_bytes()


def test_a_damaged_checkpoint_costs_steps_but_not_the_result(make_job: JobMaker) -> None:
    expected = train(make_job("whole", steps=5))
    broken = make_job("broken", steps=5)
    stop_at(broken, lambda p: p.phase == "train" and p.step == 4)
    newest = max(Path(broken.work_dir).glob("step-*"))
    (newest / "state.safetensors").write_bytes(b"torn")
    assert train(broken).losses == expected.losses


def test_kl_beyond_the_hard_stop_goes_back_to_where_it_was_below(make_job: JobMaker) -> None:
    told: list[Progress] = []
    job = make_job(steps=12, learning_rate=0.5, kl_stop=0.5)
    result = train(job, told=told)
    assert result.stopped == "kl_stop"
    assert result.kl_core <= 0.5
    assert max(progress.kl_core for progress in told) > 0.5
    assert result.steps == len(result.losses) < 12
    factors = load_file(Path(job.out_dir) / "adapter" / "adapter_model.safetensors")
    assert all(not bool(tensor.any()) for name, tensor in factors.items() if "lora_B" in name)  # step 0


def test_a_parent_beyond_the_hard_stop_cannot_be_continued(make_job: JobMaker) -> None:
    parent = make_job("parent", steps=5, learning_rate=2e-2, kl_stop=1e9)
    train(parent)
    child = make_job("child", parent_adapter=f"{parent.out_dir}/adapter", kl_stop=1e-6)
    with pytest.raises(TrainingError, match="no earlier checkpoint was below it"):
        train(child)
    assert not Path(child.out_dir).exists()


@pytest.mark.parametrize("kind", get_args(Curvature))
def test_a_second_cycle_is_pulled_to_both_anchors(make_job: JobMaker, kind: str) -> None:
    parent = make_job("parent", steps=6, curvature=kind)
    train(parent)
    told: list[Progress] = []
    child = make_job(
        "child",
        steps=2,
        curvature=kind,
        parent_adapter=f"{parent.out_dir}/adapter",
        parent_curvature=f"{parent.out_dir}/curvature.safetensors",
        seed=1,
    )
    result = train(child, told=told)
    trained = [progress for progress in told if progress.phase == "train" and progress.step > 0]
    assert all(progress.penalty > 0.0 for progress in trained)
    assert result.penalty_seconds < result.seconds
    anchors = [
        load_anchor(
            Path(job.out_dir) / "curvature.safetensors",
            kind=job.curvature,
            base_sha256=job.base_sha256,
            device=CPU,
        )
        for job in (parent, child)
    ]
    assert anchors[0].nats_per_omega > 0.0
    assert anchors[1].nats_per_omega == anchors[0].nats_per_omega  # fitted once, not once a cycle
    assert anchors[1].examples > anchors[0].examples


def test_the_core_anchor_is_measured_once_and_again_when_damaged(make_job: JobMaker, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    train(make_job("one", steps=1, cache_dir=cache))
    (file,) = Path(cache).glob("core-anchor-*")
    content, written = file.read_bytes(), file.stat().st_mtime_ns
    train(make_job("two", steps=1, cache_dir=cache))
    assert file.stat().st_mtime_ns == written
    file.write_bytes(b"damaged")
    train(make_job("three", steps=1, cache_dir=cache))
    assert file.read_bytes() == content


def test_another_core_set_gets_an_anchor_of_its_own_and_the_first_keeps_its(
    make_job: JobMaker, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    train(make_job("one", steps=1, cache_dir=str(cache)))
    (first,) = cache.glob("core-anchor-*")
    content = first.read_bytes()
    others = [lesson(1), *(lesson(number, "core") for number in range(30, 34))]
    train(make_job("two", steps=1, cache_dir=str(cache), examples=others))
    (second,) = set(cache.glob("core-anchor-*")) - {first}
    assert second.read_bytes() != first.read_bytes() == content


def test_a_job_of_no_steps_fills_the_cache_that_a_cycle_then_only_reads(
    make_job: JobMaker, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    core = [lesson(number, "core") for number in range(20, 24)]
    told: list[Progress] = []
    result = train(make_job("none", steps=0, cache_dir=str(cache), examples=core), told=told)
    assert (result.steps, result.losses) == (0, ())
    assert [progress.step for progress in told if progress.phase == "core"] == [1, 2, 3, 4]
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert len(before) == 5  # an answer to each, and the anchor
    train(make_job("one", steps=1, cache_dir=str(cache), examples=[lesson(1), *core]))
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()} == before


def test_answers_of_another_base_are_noticed(make_job: JobMaker, tmp_path: Path) -> None:
    """The cache is keyed by the served base; a training base that is another model must not go unnoticed."""
    job = make_job("one", steps=1, cache_dir=str(tmp_path / "cache"))
    train(job)
    for file in (tmp_path / "cache" / "core-answers").iterdir():
        tensors = load_file(file)
        tensors["logits"] = tensors["logits"].roll(1, dims=1).contiguous()
        from safetensors.torch import save_file

        save_file(tensors, file)
    with pytest.raises(TrainingError, match="before anything was learned"):
        train(make_job("two", steps=1, cache_dir=str(tmp_path / "cache")))


def test_a_job_without_core_prompts_trains_without_core_anchor(make_job: JobMaker) -> None:
    result = train(make_job(examples=[lesson(1), lesson(2)], steps=2))
    assert result.kl_core == 0.0


def test_a_second_run_of_a_finished_job_publishes_the_same(make_job: JobMaker) -> None:
    job = make_job(steps=2)
    first = train(job)
    adapter = (Path(job.out_dir) / "adapter" / "adapter_model.safetensors").read_bytes()
    assert train(job).losses == first.losses
    assert (Path(job.out_dir) / "adapter" / "adapter_model.safetensors").read_bytes() == adapter


def test_another_kind_of_curvature_begins_a_new_user_anchor(make_job: JobMaker) -> None:
    parent = make_job("parent", steps=1, curvature="input")
    train(parent)
    child = make_job(
        "child",
        steps=1,
        curvature="diag",
        parent_adapter=f"{parent.out_dir}/adapter",
        parent_curvature=f"{parent.out_dir}/curvature.safetensors",
    )
    train(child)
    assert anchor_kind(Path(child.out_dir) / "curvature.safetensors") == "diag"


def test_a_moving_average_lies_between_the_parent_and_what_was_trained(make_job: JobMaker) -> None:
    parent = make_job("parent", steps=4)
    train(parent)
    before = f"{parent.out_dir}/adapter"
    trained, averaged = (
        make_job(name, steps=3, seed=1, parent_adapter=before, average=share)
        for name, share in (("trained", 0.0), ("averaged", 0.75))
    )
    assert train(trained).average_left_out == 0.0
    result = train(averaged)
    pairs = [load_file(Path(job.out_dir) / "adapter" / ADAPTER_FILE) for job in (parent, trained, averaged)]
    total = wrong = 0.0
    for name in (name for name in pairs[0] if ".lora_A." in name):
        first, second, mean = (pair[name.replace("_A.", "_B.")] @ pair[name] for pair in pairs)
        expected = 0.75 * first + 0.25 * second
        total += float(expected.square().sum())
        wrong += float((mean - expected).square().sum())
    assert wrong / total == pytest.approx(result.average_left_out, rel=1e-3, abs=1e-9)
    assert wrong / total < 0.02
