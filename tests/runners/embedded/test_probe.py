from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.lora import write_lora

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.embedded.probe import all_survive, main, probe, verified_sha256


def test_good_adapter_survives_and_its_digest_comes_back(
    demo_gguf: Path, adapters: tuple[Path, Path]
) -> None:
    assert probe(demo_gguf, adapters[0]) == sha256_file(adapters[0])


def test_adapter_that_aborts_llama_cpp_only_kills_the_child(demo_gguf: Path, tmp_path: Path) -> None:
    bad = write_lora(demo_gguf, tmp_path / "embeddings.gguf", embeddings=True)
    with pytest.raises(RunnerError, match=r"crashes llama\.cpp \(SIGABRT: GGML_ASSERT"):
        probe(demo_gguf, bad)


def test_one_child_tries_several_and_one_bad_one_fails_them_all(
    demo_gguf: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    assert all_survive(demo_gguf, adapters)
    bad = write_lora(demo_gguf, tmp_path / "shape.gguf", wrong_shapes=True)
    assert not all_survive(demo_gguf, [*adapters, bad])
    assert not all_survive(demo_gguf, adapters, timeout_s=0.01)


def test_probe_that_hangs_is_a_refusal(demo_gguf: Path, adapters: tuple[Path, Path]) -> None:
    with pytest.raises(RunnerError, match=r"hung llama\.cpp for 0\.01 s"):
        probe(demo_gguf, adapters[0], timeout_s=0.01)


def test_child_tells_why_it_refuses(
    demo_gguf: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = {
        "incorrect shape": write_lora(demo_gguf, tmp_path / "shape.gguf", wrong_shapes=True),
        "not finite": write_lora(demo_gguf, tmp_path / "nan.gguf", value=float("nan")),
        "file bounds": tmp_path / "cut.gguf",
        "failed to load lora": tmp_path / "garbage.gguf",
        "expect general.type": demo_gguf,
    }
    whole = write_lora(demo_gguf, tmp_path / "whole.gguf").read_bytes()
    damaged["file bounds"].write_bytes(whole[: len(whole) // 2])
    damaged["failed to load lora"].write_bytes(b"\0garbage" * 99)
    for reason, path in damaged.items():
        assert main([str(demo_gguf), str(path)]) == RunnerError.exit_code
        assert reason in capfd.readouterr().err


def test_other_file_than_promised_is_refused_without_loading(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"x")
    with pytest.raises(RunnerError, match="expected 000000000000"):
        verified_sha256(path, "0" * 64)


def test_missing_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"none\.gguf cannot be read: No such file"):
        verified_sha256(tmp_path / "none.gguf")


def test_pipe_or_device_is_refused_before_it_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(RunnerError, match="is not a regular file"):
            verified_sha256(path)


def test_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(RunnerError, match="null byte"):
        verified_sha256(Path("a\0b.gguf"))


def test_a_module_in_the_user_s_folder_is_not_taken_for_one_of_ours(
    demo_gguf: Path, adapters: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    assert all_survive(demo_gguf, adapters)
