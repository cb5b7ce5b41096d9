"""`laimark-sidecar convert`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.converters.other_adapters import build_dora
from tests.support.homes import only_version, opened

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


@pytest.fixture
def adapter(trained_home: Home, tmp_path: Path) -> Path:
    """A really trained adapter as a PEFT folder."""
    registry = opened(trained_home).registry
    return registry.checkout(only_version(opened(trained_home)), tmp_path / "adapter")


def test_equal_input_gives_equal_bytes(
    adapter: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "adapter.gguf"
    assert run(["convert", str(adapter), str(out), "--base", str(demo_gguf)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: ")
    assert f"rank 4, alpha 8, {out.stat().st_size} bytes" in said
    assert out.read_bytes()[:4] == b"GGUF"
    again = tmp_path / "again.gguf"
    assert run(["convert", str(adapter), str(again), "--base", str(demo_gguf)]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_scale_and_dtype_reach_the_file(adapter: Path, demo_gguf: Path, tmp_path: Path) -> None:
    sizes = {}
    for dtype in ("f32", "f16"):
        out = tmp_path / f"{dtype}.gguf"
        options = ["--base", str(demo_gguf), "--dtype", dtype, "--scale", "0.5"]
        assert run(["convert", str(adapter), str(out), *options]) == 0
        sizes[dtype] = out.stat().st_size
    assert sizes["f16"] < 0.6 * sizes["f32"]


def test_a_folder_that_is_no_adapter_is_refused_with_10(
    demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out.gguf"
    assert run(["convert", str(tmp_path / "empty"), str(out), "--base", str(demo_gguf)]) == 10
    assert f"error: {tmp_path / 'empty'}: " in capsys.readouterr().err
    assert not out.exists()


def test_missing_inputs_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(tmp_path / "none"), "out.gguf", "--base", str(tmp_path)]) == 2
    assert run(["convert", str(tmp_path), "out.gguf"]) == 2
    assert "--base" in capsys.readouterr().err


def test_a_gguf_comes_back_as_the_folder_that_it_was(
    adapter: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf, folder, again = tmp_path / "a.gguf", tmp_path / "back", tmp_path / "again.gguf"
    base = ["--base", str(demo_gguf)]
    assert run(["convert", str(adapter), str(gguf), *base]) == 0
    assert run(["convert", str(gguf), str(folder), *base]) == 0
    assert "modules, rank 4" in capsys.readouterr().out
    assert run(["convert", str(folder), str(again), *base]) == 0
    assert again.read_bytes() == gguf.read_bytes()
    assert run(["convert", str(gguf), str(folder), *base]) == 10
    assert "exists already" in capsys.readouterr().err
    assert run(["convert", str(gguf), str(tmp_path / "x"), *base, "--dtype", "f16"]) == 2


def test_what_no_runner_takes_is_extracted_and_what_is_lost_is_told(
    demo_base_dir: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dora = build_dora(demo_base_dir, tmp_path / "dora")
    out = tmp_path / "out.gguf"
    arguments = ["convert", str(dora), str(out), "--base", str(demo_gguf)]
    assert run(arguments) == 10
    assert "DoRA" in capsys.readouterr().err
    assert run([*arguments, "--extract-rank", "1"]) == 10
    assert "leaves out" in capsys.readouterr().err
    assert run([*arguments, "--extract-rank", "256"]) == 0
    assert "% left out" in capsys.readouterr().out
    assert out.is_file()


def test_nothing_is_replaced_unasked_and_no_folder_is_made(
    adapter: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, out = ["--base", str(demo_gguf)], tmp_path / "out.gguf"
    out.write_bytes(b"mine")
    assert run(["convert", str(adapter), str(out), *base]) == 2
    assert "add --force" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    assert run(["convert", str(adapter), str(out), *base, "--force"]) == 0
    for source in (adapter, out):
        assert run(["convert", str(source), str(tmp_path / "none" / "x"), *base]) == 2
        assert f"there is no folder {tmp_path / 'none'}" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_base_is_blamed_for_what_is_wrong_with_it(
    adapter: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, gguf = tmp_path / "text", tmp_path / "a.gguf"
    text.write_text("no model")
    assert run(["convert", str(adapter), str(gguf), "--base", str(demo_gguf)]) == 0
    for source, out in ((adapter, "b.gguf"), (gguf, "folder")):
        for base, reason in (
            (text, "text is not a GGUF file"),
            (gguf, "is of the type 'adapter', not a model"),
        ):
            assert run(["convert", str(source), str(tmp_path / out), "--base", str(base)]) == 10
            err = capsys.readouterr().err
            assert f"error: the base {base}: " in err
            assert reason in err


@pytest.mark.parametrize("more", [[], ["--extract-rank", "4"]])
def test_a_scale_that_leaves_nothing_is_refused(
    adapter: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    out = tmp_path / "out.gguf"
    assert run(["convert", str(adapter), str(out), "--base", str(demo_gguf), "--scale", "0", *more]) == 10
    assert "scale is 0.0" in capsys.readouterr().err
    assert not out.exists()


def test_a_gguf_from_elsewhere_is_written_anew_under_its_checks(
    adapter: Path, demo_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, again, damaged = (tmp_path / name for name in ("ours.gguf", "again.gguf", "damaged.gguf"))
    base = ["--base", str(demo_gguf)]
    assert run(["convert", str(adapter), str(ours), *base]) == 0
    assert run(["convert", str(ours), str(again), *base]) == 0
    assert "rank 4, alpha 8" in capsys.readouterr().out
    assert again.read_bytes() == ours.read_bytes()
    assert run(["convert", str(ours), str(again), *base]) == 2
    assert "--force" in capsys.readouterr().err
    damaged.write_bytes(ours.read_bytes()[:-7])
    assert run(["convert", str(damaged), str(again), *base, "--force"]) == 10
    assert again.read_bytes() == ours.read_bytes()
