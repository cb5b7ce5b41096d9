from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from tests.support.llama_server import needs_llama_server, router_settings

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.runners.llama_server.command import (
    NAME,
    VARIABLE,
    arguments,
    environment_of,
    find_binary,
    modes,
)


def program(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / NAME
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_configured_one_comes_first_then_the_environments_then_the_paths(tmp_path: Path) -> None:
    configured, named, on_path = (program(tmp_path / name) for name in ("a", "b", "c"))
    environment = {"PATH": str(on_path.parent), VARIABLE: str(named)}
    assert find_binary(str(configured), environment) == configured
    assert find_binary("", environment) == named
    assert find_binary("", {"PATH": str(on_path.parent)}) == on_path
    assert find_binary(NAME, {"PATH": str(on_path.parent)}) == on_path


def test_one_that_is_not_there_is_told_with_what_named_it(tmp_path: Path) -> None:
    absent = str(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"^runner\.binary: .*none"):
        find_binary(absent, {})
    with pytest.raises(ConfigError, match=r"^runner\.binary: ~nosuchuser"):
        find_binary("~nosuchuser/llama-server", {})
    with pytest.raises(ConfigError, match=rf"^{VARIABLE}: .*none"):
        find_binary("", {VARIABLE: absent})
    with pytest.raises(ConfigError, match="not on the PATH") as caught:
        find_binary("", {"PATH": str(tmp_path)})
    assert "embedded" in caught.value.hint


def test_the_router_gets_the_preset_file_and_no_model(tmp_path: Path) -> None:
    settings = router_settings(tmp_path, tmp_path / "base.gguf", preloaded=3, port=11440)
    command = arguments(settings, tmp_path / NAME)
    assert command[0] == str(tmp_path / NAME)
    pairs = dict(itertools.pairwise(command))
    assert pairs["--models-preset"] == str(settings.preset)
    assert pairs["--models-max"] == "3"
    assert (pairs["--host"], pairs["--port"]) == ("127.0.0.1", "11440")
    assert "--metrics" in command
    assert "--model" not in command


def test_what_would_make_it_another_server_is_left_out_of_its_environment() -> None:
    user = {
        "PATH": "/bin",
        "LLAMA_ARG_N_GPU_LAYERS": "99",
        "LLAMA_ARG_MODEL": "/x.gguf",
        "LLAMA_API_KEY": "k",
    }
    assert environment_of(user) == {
        "PATH": "/bin",
        "LLAMA_ARG_N_GPU_LAYERS": "99",
        "LLAMA_ARG_CORS_ORIGINS": "localhost",
    }
    assert environment_of({"LLAMA_ARG_CORS_ORIGINS": "*"}) == {"LLAMA_ARG_CORS_ORIGINS": "*"}


@needs_llama_server
def test_what_a_program_can_do_is_read_in_its_own_help(tmp_path: Path) -> None:
    assert modes(Path(os.environ[VARIABLE]), os.environ) == ("router", "single")
    with pytest.raises(ConfigError, match="is no llama-server"):
        modes(program(tmp_path / "mute"), {})
    broken = program(tmp_path / "broken")
    broken.write_text("#!/nowhere/sh\n")
    with pytest.raises(ConfigError, match="does not tell its options") as caught:
        modes(broken, {})
    assert "runner.binary" in caught.value.hint
