"""`laimark-sidecar merge`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.converters import raw_gguf
from tests.converters.other_adapters import build_dora
from tests.support.homes import only_version, opened
from tests.support.lora import write_lora

from laimark_converters.header import read_header
from laimark_sidecar.cli import run
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import Home
from laimark_sidecar.validation.fingerprint import distance, read_fingerprint
from laimark_sidecar.validation.scorer import fingerprint

Q = "blk.0.attn_q.weight"


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("merge", "latest", "out.gguf")


def test_the_merged_model_answers_as_the_validated_version(
    trained_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = only_version(opened(trained_home))
    out = tmp_path / "whole.gguf"
    assert run(["merge", version.name, str(out), "--json"]) == 0
    out_text, err = capsys.readouterr()
    assert f"merging {version.name}: 100% writing" in err
    told = json.loads(out_text)
    assert told["sha256"] == sha256_file(out)
    answer = fingerprint(out, None, tmp_path / "scoring", threads=1)
    assert distance(read_fingerprint(version.expected), answer.tokens) < 0.05


def test_the_base_is_no_version_to_merge(trained_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["merge", "latest", "out.gguf"]) == 5
    assert "is the base, which has no adapter" in capsys.readouterr().err


def test_an_adapter_from_elsewhere_is_merged_by_its_path(
    trained_home: Home, demo_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dora = build_dora(demo_base_dir, tmp_path / "dora")
    assert run(["merge", str(dora), str(tmp_path / "whole.gguf"), "--type", "f32"]) == 0
    assert "dora merged into demo" in capsys.readouterr().out


def test_nothing_is_replaced_unasked_and_no_folder_is_made(
    trained_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, out = only_version(opened(trained_home)).name, tmp_path / "whole.gguf"
    assert run(["merge", name, str(tmp_path / "none" / "whole.gguf")]) == 2
    assert f"there is no folder {tmp_path / 'none'}" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    out.write_bytes(b"mine")
    assert run(["merge", name, str(out)]) == 2
    assert "add --force" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    assert run(["merge", name, str(out), "--force"]) == 0
    assert out.read_bytes()[:4] == b"GGUF"


def test_what_rounding_took_is_told_and_much_is_a_warning(
    trained_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, out, lost = only_version(opened(trained_home)), tmp_path / "whole.gguf", {}
    for kind in ("f32", "f16", "q8_0"):
        assert run(["merge", version.name, str(out), "--type", kind, "--json", "--force"]) == 0
        said, err = capsys.readouterr()
        lost[kind] = json.loads(said)["of_update"]
        assert ("was lost to rounding; --type f16 keeps more" in err) == (kind == "q8_0")
    assert 0 < lost["f32"] < 1e-3 < lost["f16"] < 0.2 < lost["q8_0"]
    assert run(["merge", version.name, str(out), "--force"]) == 0
    assert f"{lost['f16']:.1%} of the update was lost to rounding" in capsys.readouterr().out


def test_an_odd_adapter_from_elsewhere_is_refused_before_a_byte_is_written(
    trained_home: Home, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, (rows, width) = tmp_path / "whole.gguf", read_header(demo_gguf).tensors[Q].shape
    foreign = raw_gguf.adapter({Q: (rows, width)})
    foreign.keys["adapter.lora.alpha"] = (raw_gguf.TEXT, raw_gguf.text("8"))
    path = foreign.write(tmp_path / "foreign.gguf")
    assert run(["merge", str(path), str(out)]) == 10
    assert "alpha that is no number" in capsys.readouterr().err
    embedding = write_lora(demo_gguf, tmp_path / "embedding.gguf", embeddings=True)
    assert run(["merge", str(embedding), str(out)]) == 10
    assert "which is no half of a LoRA on a projection" in capsys.readouterr().err
    assert not out.exists()
