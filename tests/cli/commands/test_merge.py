"""`laimark-sidecar merge`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.converters.other_adapters import build_dora
from tests.support.homes import only_version, opened

from laimark_sidecar.cli import run
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import Home
from laimark_sidecar.validation.fingerprint import distance, read_fingerprint
from laimark_sidecar.validation.scorer import fingerprint


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("merge", "latest", "out.gguf")


def test_the_merged_model_answers_as_the_validated_version(
    trained_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = only_version(opened(trained_home))
    out = tmp_path / "whole.gguf"
    assert run(["merge", version.name, str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
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
