from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.training.conftest import JobMaker
from torch import Tensor

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.worker.backend import ADAPTER_CONFIG_FILE, ADAPTER_FILE, PeftBackend

IDS = torch.tensor([[5, 9, 30, 77, 120, 8, 4, 99]])
ALL = torch.arange(8)


@pytest.fixture(scope="module")
def base_logits(demo_base_dir: Path) -> Tensor:
    """Oracle: the base loaded alone, without any adapter."""
    model = transformers.AutoModelForCausalLM.from_pretrained(demo_base_dir, dtype=torch.float32)
    with torch.no_grad():
        logits: Tensor = model(input_ids=IDS).logits
    return logits


@pytest.fixture
def saved(moved: PeftBackend, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    moved.save_adapter(folder)
    return folder


def logits_of(backend: PeftBackend) -> Tensor:
    with torch.no_grad():
        return backend.logits(IDS, torch.ones_like(IDS), ALL)


def test_every_linear_layer_is_adapted_and_nothing_else(backend: PeftBackend) -> None:
    leaves = {layer.name.rpartition(".")[2] for layer in backend.layers}
    assert leaves == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert all(layer.scale == 2.0 for layer in backend.layers)


def test_a_fresh_adapter_changes_nothing(backend: PeftBackend, base_logits: Tensor) -> None:
    assert torch.equal(logits_of(backend), base_logits)


def test_the_base_is_the_base_while_an_adapter_is_on_the_model(
    moved: PeftBackend, base_logits: Tensor
) -> None:
    """A peer's KL read 0 for ever because `disable_adapter` leaked: compare with a base that never had one."""
    assert not torch.allclose(logits_of(moved), base_logits, atol=0.1)
    with moved.base_only():
        assert torch.equal(logits_of(moved), base_logits)
    assert not torch.allclose(logits_of(moved), base_logits, atol=0.1)


def test_padding_on_the_right_does_not_move_the_logits(moved: PeftBackend) -> None:
    padded = torch.cat([IDS, torch.zeros(1, 3, dtype=torch.int64)], dim=1)
    mask = torch.tensor([[1] * 8 + [0] * 3])
    with torch.no_grad():
        torch.testing.assert_close(moved.logits(padded, mask, ALL), logits_of(moved), rtol=1e-4, atol=1e-4)


def test_only_asked_positions_come_back(moved: PeftBackend) -> None:
    with torch.no_grad():
        some = moved.logits(IDS, torch.ones_like(IDS), torch.tensor([1, 6]))
    torch.testing.assert_close(some, logits_of(moved)[:, [1, 6]])


def test_generation_is_greedy_and_ends_at_the_end_token(moved: PeftBackend) -> None:
    answer = moved.generate(IDS[0].tolist(), max_new_tokens=6, end_ids=())
    whole = torch.tensor([[*IDS[0].tolist(), *answer]])
    with torch.no_grad():
        expected = moved.logits(whole, torch.ones_like(whole), torch.arange(7, 13))[0].argmax(-1)
    assert answer == expected.tolist()
    stopped = moved.generate(IDS[0].tolist(), max_new_tokens=6, end_ids=[answer[0]])
    assert stopped == answer[:1]


def test_the_adapter_is_loadable_by_peft_and_gives_the_same_logits(
    moved: PeftBackend, saved: Path, demo_base_dir: Path
) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(demo_base_dir, dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(base, str(saved))
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=IDS).logits, logits_of(moved))


def test_the_saved_configuration_names_no_path_of_this_machine(saved: Path, demo_base_dir: Path) -> None:
    config = json.loads((saved / ADAPTER_CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == "0123456789abcdef" * 4
    assert str(demo_base_dir.parent) not in json.dumps(config)


def test_training_goes_on_from_the_parent(moved: PeftBackend, saved: Path, make_job: JobMaker) -> None:
    child = PeftBackend(make_job("child", parent_adapter=str(saved)))
    assert torch.equal(logits_of(child), logits_of(moved))


def test_equal_seeds_begin_equal(make_job: JobMaker, backend: PeftBackend) -> None:
    same, other = PeftBackend(make_job("same")), PeftBackend(make_job("other", seed=9))
    assert torch.equal(same.layers[0].a_RD, backend.layers[0].a_RD)
    assert not torch.equal(other.layers[0].a_RD, backend.layers[0].a_RD)


def truncate(folder: Path) -> None:
    path = folder / ADAPTER_FILE
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / ADAPTER_FILE)
    tensors.pop(min(tensors))
    save_file(tensors, folder / ADAPTER_FILE)


def reshape_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / ADAPTER_FILE)
    name = min(tensors)
    tensors[name] = tensors[name][:-1].clone()
    save_file(tensors, folder / ADAPTER_FILE)


def change_config(folder: Path, **settings: object) -> None:
    path = folder / ADAPTER_CONFIG_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, r"adapter_model\.safetensors cannot be read"),
        (lose_a_tensor, r"1 tensors differ"),
        (reshape_a_tensor, r"adapter_model\.safetensors does not fit"),
        (lambda folder: (folder / ADAPTER_FILE).unlink(), r"adapter_model\.safetensors cannot be read"),
        (lambda folder: (folder / ADAPTER_CONFIG_FILE).unlink(), r"adapter_config\.json cannot be read"),
        (lambda folder: change_config(folder, r=8), "rank 8"),
        (lambda folder: change_config(folder, use_rslora=True), "of the kind rslora"),
        (lambda folder: change_config(folder, alpha_pattern={"q_proj": 4}), "alpha_pattern"),
    ],
)
def test_a_parent_that_cannot_be_continued_is_named(
    backend: PeftBackend, saved: Path, make_job: JobMaker, damage: Callable[[Path], None], said: str
) -> None:
    damage(saved)
    with pytest.raises(TrainingError, match=said):
        PeftBackend(make_job("child", parent_adapter=str(saved)))


def test_a_base_that_is_not_there_is_named(make_job: JobMaker, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"nowhere has no config\.json"):
        PeftBackend(make_job("x", base_dir=str(tmp_path / "nowhere")))


def test_a_damaged_base_is_named(make_job: JobMaker, tmp_path: Path, demo_base_dir: Path) -> None:
    (tmp_path / "config.json").write_bytes((demo_base_dir / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(TrainingError, match="cannot be loaded"):
        PeftBackend(make_job("x", base_dir=str(tmp_path)))
