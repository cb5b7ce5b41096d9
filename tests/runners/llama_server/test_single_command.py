from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from tests.support.llama_server import VARIABLE, needs_llama_server, single_settings

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.runners.llama_server.single_command import arguments, help_of

NOW = (
    "--lora-scaled FNAME:SCALE,...\n--cache-prompt, --no-cache-prompt\n--cache-ram N\n--sse-ping-interval N\n"
)
# llama.cpp b6000 (July 2025), common/arg.cpp
THEN = "--lora-scaled FNAME SCALE   path to LoRA adapter with user defined scaling (note: use ...)\n"
BINARY = Path("/opt/llama-server")
ADAPTERS = [(Path("/a/one.gguf"), 1.0), (Path("/a/two.gguf"), 0.0)]


def test_one_model_one_slot_no_cache_and_every_adapter_at_its_scale(tmp_path: Path) -> None:
    settings = single_settings(tmp_path, tmp_path / "base.gguf", port=11440)
    command = arguments(settings, BINARY, NOW, ADAPTERS)
    pairs = list(itertools.pairwise(command))
    assert command[0] == "/opt/llama-server"
    for pair in (
        ("--model", str(settings.model)),
        ("--parallel", "1"),
        ("--cache-ram", "0"),
        ("--port", "11440"),
        ("--lora-scaled", "/a/one.gguf:1"),
        ("--lora-scaled", "/a/two.gguf:0"),
    ):
        assert pair in pairs
    assert "--no-cache-prompt" in command
    assert "--metrics" in command


def test_an_older_program_is_told_only_what_it_understands(tmp_path: Path) -> None:
    settings = single_settings(tmp_path, tmp_path / "base.gguf")
    command = arguments(settings, BINARY, THEN, ADAPTERS)
    assert command[-6:] == ["--lora-scaled", "/a/one.gguf", "1", "--lora-scaled", "/a/two.gguf", "0"]
    assert not {"--no-cache-prompt", "--cache-ram", "--sse-ping-interval"} & set(command)


@pytest.mark.parametrize("name", ["a:b.gguf", "a,b.gguf", "a\nb.gguf"])
def test_a_path_that_it_would_read_as_two_is_refused(tmp_path: Path, name: str) -> None:
    settings = single_settings(tmp_path, tmp_path / "base.gguf")
    with pytest.raises(ConfigError, match="cannot be told this path"):
        arguments(settings, BINARY, NOW, [(Path("/") / name, 0.0)])


@needs_llama_server
def test_the_real_program_tells_its_options() -> None:
    told = help_of(Path(os.environ[VARIABLE]), os.environ)
    for line in NOW.splitlines():
        assert line in told


def test_a_program_that_does_not_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="does not tell its options"):
        help_of(tmp_path / "none", {})
