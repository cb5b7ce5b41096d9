from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.training.conftest import JobMaker, small_examples

from laimark_sidecar.training.worker.budget import Budget
from laimark_sidecar.training.worker.checkpoint import (
    Position,
    job_digest,
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    write_checkpoint,
)


def position(step: int, *, kl: float = 0.0, measured: bool = True, digest: str = "job") -> Position:
    budget = Budget(
        lambda_core=1 / 3, nats_per_omega=0.1, kl_core=kl, measured_step=step if measured else step - 1
    )
    losses = tuple(1 / (i + 3) for i in range(step))
    return Position(job_digest=digest, step=step, budget=budget, losses=losses, task_losses=losses)


def write(folder: Path, *positions: Position) -> None:
    for each in positions:
        write_checkpoint(folder, each, {"x": torch.full((3,), float(each.step))})


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))


def test_a_checkpoint_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    tensors = {
        "x": torch.randn(5, generator=torch.Generator().manual_seed(0)),
        "rng.cpu": torch.get_rng_state(),
    }
    write_checkpoint(tmp_path, position(7), tensors)
    found = newest_checkpoint(tmp_path, "job")
    assert found is not None
    assert found.position == position(7)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())


def test_the_newest_is_taken(tmp_path: Path) -> None:
    write(tmp_path, position(9), position(10))
    found = newest_checkpoint(tmp_path, "job")
    assert found is not None
    assert found.position.step == 10


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("content", [b"", b'{"step": 3}', b"\0" * 40])
def test_a_damaged_one_is_passed_over(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path, position(2), position(4))
    (tmp_path / "step-000004" / name).write_bytes(content)
    found = newest_checkpoint(tmp_path, "job")
    assert found is not None
    assert found.position.step == 2


def test_a_job_whose_checkpoints_are_all_damaged_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, position(2))
    (tmp_path / "step-000002" / "state.json").unlink()
    assert newest_checkpoint(tmp_path, "job") is None


def test_checkpoints_of_another_job_are_not_resumed(tmp_path: Path) -> None:
    write(tmp_path, position(2, digest="other"))
    assert newest_checkpoint(tmp_path, "job") is None


def test_a_folder_that_was_being_written_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint-abc").mkdir()
    assert newest_checkpoint(tmp_path, "job") is None
    write(tmp_path, position(1))
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_old_ones_go_but_never_the_last_measured_one(tmp_path: Path) -> None:
    write(tmp_path, position(0), position(2), *(position(step, measured=False) for step in (4, 6, 8)))
    assert steps(tmp_path) == [2, 6, 8]


def test_going_back_takes_one_whose_own_kl_was_low(tmp_path: Path) -> None:
    write(tmp_path, position(4, kl=0.1), position(6, kl=0.9))
    found = newest_checkpoint(tmp_path, "job", kl_below=0.8, at_most=6)
    assert found is not None
    assert found.position.step == 4


def test_going_back_does_not_trust_a_kl_of_an_earlier_step(tmp_path: Path) -> None:
    write(tmp_path, position(4, kl=0.1), position(5, kl=0.1, measured=False))
    found = newest_checkpoint(tmp_path, "job", kl_below=0.8)
    assert found is not None
    assert found.position.step == 4


def test_going_back_never_goes_forward(tmp_path: Path) -> None:
    write(tmp_path, position(4), position(6))
    found = newest_checkpoint(tmp_path, "job", kl_below=0.8, at_most=5)
    assert found is not None
    assert found.position.step == 4


def test_the_optimiser_goes_on_as_if_never_stopped() -> None:
    def start() -> tuple[list[torch.nn.Parameter], torch.optim.AdamW]:
        parameters = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.zeros(2))]
        return parameters, torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.0, foreach=False)

    def step(parameters: list[torch.nn.Parameter], optimizer: torch.optim.AdamW, number: int) -> None:
        for i, parameter in enumerate(parameters):
            parameter.grad = torch.full_like(parameter, 0.1 * (number + 1) - 0.3 * i)
        optimizer.step()

    whole, optimizer = start()
    for number in range(3):
        step(whole, optimizer, number)
    saved, copies = optimizer_tensors(optimizer, ["a", "b"]), [p.detach().clone() for p in whole]
    resumed, fresh = start()
    restore_optimizer(fresh, ["a", "b"], saved)
    for parameter, value in zip(resumed, copies, strict=True):
        parameter.data.copy_(value)
    step(whole, optimizer, 3)
    step(resumed, fresh, 3)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_a_job_is_known_by_its_settings_and_examples_not_by_its_place(make_job: JobMaker) -> None:
    here, there = make_job("here"), make_job("there")
    assert job_digest(here) == job_digest(there)
    assert job_digest(here) != job_digest(make_job("other", seed=1))
    assert job_digest(here) != job_digest(make_job("fewer", examples=small_examples()[:-1]))
