"""A folder made from a served GGUF: the weights that were, and the logits that the runner computes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from tests.converters import served_models, tiny_models
from tests.converters.llama_cpp_logits import largest_difference, mean_kl, served_logits, tokens
from tests.converters.texts import SPECIAL, UNICODE
from transformers import AutoModelForCausalLM

from laimark_converters.errors import ConversionError
from laimark_converters.training_base import plan_training_base, write_training_base

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601] * 4
ALL = tuple(served_models.FAMILIES)


class Made(NamedTuple):
    hf: Path
    gguf: Path
    folder: Path


@pytest.fixture(scope="module")
def made(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    root = tmp_path_factory.mktemp("served")
    found = {}
    for family in ALL:
        hf = served_models.build_hf(family, demo_base_dir, root / family)
        gguf = served_models.serve(hf, root / f"{family}.gguf")
        write_training_base(gguf, root / f"{family}-training")
        found[family] = Made(hf, gguf, root / f"{family}-training")
    return found


@pytest.mark.parametrize("family", ALL)
def test_weights_are_those_of_the_model_that_was_served(made: dict[str, Made], family: str) -> None:
    found = load_file(made[family].folder / "model.safetensors")
    original = load_file(made[family].hf / "model.safetensors")
    assert found.keys() == original.keys()
    for name, tensor in found.items():
        if tensor.ndim > 1:
            assert torch.equal(tensor, original[name].half()), name
        else:  # gemma's norms went through an addition and a subtraction of 1
            assert torch.allclose(tensor, original[name], rtol=0, atol=3e-7), name


@pytest.mark.parametrize("family", ALL)
def test_logits_are_those_of_the_runner(made: dict[str, Made], family: str) -> None:
    served = served_logits(made[family].gguf, IDS)
    found = tiny_models.torch_logits(made[family].folder, IDS)
    assert mean_kl(served, found) < 1e-5
    assert largest_difference(served, found) < 0.05


@pytest.mark.parametrize("kind", served_models.QUANTISED)
@pytest.mark.parametrize("family", ALL)
def test_quantised_logits_differ_by_no_more_than_the_runners_own_rounding_of_activations(
    made: dict[str, Made], family: str, kind: str, tmp_path: Path
) -> None:
    gguf = served_models.quantise(made[family].gguf, tmp_path / "base.gguf", kind)
    write_training_base(gguf, tmp_path / "training")
    served = served_logits(gguf, IDS)
    found = tiny_models.torch_logits(tmp_path / "training", IDS)
    # Two random layers; measured 2e-5 to 5e-3. Leaving the scaling, the permutation or a norm out: .04 to 2.5.
    assert mean_kl(served, found) < 1e-2
    assert mean_kl(served, tiny_models.torch_logits(made[family].hf, IDS)) > mean_kl(served, found)


def test_transformers_reads_every_setting_and_misses_no_weight(made: dict[str, Made]) -> None:
    for family, files in made.items():
        loaded: Any = AutoModelForCausalLM.from_pretrained(files.folder, output_loading_info=True)
        loading = loaded[1]
        assert not loading["missing_keys"] | loading["unexpected_keys"] | loading["mismatched_keys"], family


def test_text_becomes_the_tokens_of_the_served_file(made: dict[str, Made]) -> None:
    files = made["llama3"]
    for text in (UNICODE, SPECIAL):
        assert tokens(files.folder / "vocabulary.gguf", text) == tokens(files.gguf, text) != []


def test_equal_files_give_equal_bytes_and_the_announced_size(made: dict[str, Made], tmp_path: Path) -> None:
    files = made["qwen3"]
    write_training_base(files.gguf, tmp_path / "again")
    again = {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()}
    assert again == {file.name: file.read_bytes() for file in files.folder.iterdir()}
    announced = plan_training_base(files.gguf).size_bytes
    assert sum(map(len, again.values())) == pytest.approx(announced, rel=1e-3)


def test_progress_rises_to_one_and_may_give_up_leaving_nothing(made: dict[str, Made], tmp_path: Path) -> None:
    shares: list[float] = []
    write_training_base(made["llama"].gguf, tmp_path / "base", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_training_base(made["llama"].gguf, tmp_path / "other", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


KILLED_HALFWAY = """
import os, signal, sys
from pathlib import Path
from laimark_converters.training_base import write_training_base
def die(share):
    if share > 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
write_training_base(Path(sys.argv[1]), Path(sys.argv[2]), progress=die)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_half_a_folder_of_a_killed_process_is_made_again(made: dict[str, Made], tmp_path: Path) -> None:
    files, folder = made["llama"], tmp_path / "base"
    command = [sys.executable, "-c", KILLED_HALFWAY, str(files.gguf), str(folder)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (half,) = tmp_path.iterdir()
    assert half != folder
    assert any(half.iterdir())
    write_training_base(files.gguf, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
    assert (folder / "model.safetensors").read_bytes() == (files.folder / "model.safetensors").read_bytes()


def test_a_disk_without_room_is_refused_with_what_is_needed(
    made: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(ConversionError, match=r"needs 0\.\d GB, 0\.0 GB are free in") as caught:
        write_training_base(made["llama"].gguf, tmp_path / "base")
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_disk_that_becomes_full_leaves_nothing(
    made: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_training_base(made["llama"].gguf, tmp_path / "base")
    assert not list(tmp_path.iterdir())


def test_a_value_beyond_half_precision_is_refused_and_fits_another_type(
    made: dict[str, Made], tmp_path: Path
) -> None:
    # The scale of one q8_0 block (32 values in 34 bytes) of the embedding becomes 60000: its values reach millions.
    gguf = served_models.quantise(made["llama"].gguf, tmp_path / "base.gguf", "q8_0")
    offset = plan_training_base(gguf).header.tensors["token_embd.weight"].offset + 5 * 34 * 256 // 32
    content = bytearray(gguf.read_bytes())
    content[offset : offset + 2] = (0x7B53).to_bytes(2, "little")
    gguf.write_bytes(content)
    with pytest.raises(ConversionError, match=r"model\.embed_tokens\.weight holds values too large for f16"):
        write_training_base(gguf, tmp_path / "base")
    write_training_base(gguf, tmp_path / "base", dtype="bf16")


def test_an_unknown_architecture_is_refused_before_anything_is_written(
    made: dict[str, Made], tmp_path: Path
) -> None:
    gguf = tmp_path / "base.gguf"
    gguf.write_bytes(made["llama"].gguf.read_bytes().replace(b"llama", b"lamas"))
    with pytest.raises(ConversionError, match="architecture 'lamas'"):
        write_training_base(gguf, tmp_path / "base")
    assert [path.name for path in tmp_path.iterdir()] == ["base.gguf"]


def test_config_is_readable_for_people(made: dict[str, Made]) -> None:
    text = (made["gemma3"].folder / "config.json").read_text(encoding="utf-8")
    assert json.loads(text)["model_type"] == "gemma3_text"
    assert text.count("\n") > 10
