from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.support import llama_server, ollama
from tests.support.homes import only_version, opened

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.chosen import model_file, settings_for

NOWHERE = {"OLLAMA_HOST": "127.0.0.1:1", "PATH": ""}


def program(path: Path, told: str) -> Path:
    """Write a program that tells these options."""
    path.write_text(f"#!/bin/sh\necho '{told}'\n")
    path.chmod(0o755)
    return path


def test_a_file_is_served_under_a_name_made_of_its_own(
    demo_gguf: Path, demo_base_dir: Path, tmp_path: Path
) -> None:
    gguf = tmp_path / "My Model (Q4_K_M).gguf"
    shutil.copy(demo_gguf, gguf)
    assert settings_for("embedded", {}, gguf=str(gguf)) == {
        "runner": {"kind": "embedded"},
        "base": {"gguf": str(gguf), "name": "my-model-q4_k_m"},
    }
    folder = settings_for("embedded", {}, hf=str(demo_base_dir))
    assert folder["base"] == {"hf": str(demo_base_dir), "name": "demo_base"}


def test_what_is_no_whole_base_model_is_refused(demo_gguf: Path, trained_home: Home, tmp_path: Path) -> None:
    workshop = opened(trained_home)
    adapter = workshop.registry.objects.path(only_version(workshop).objects["adapter.gguf"])
    half = tmp_path / "half.gguf"
    half.write_bytes(demo_gguf.read_bytes()[:1_000_000])
    for path, flaw in (
        (tmp_path / "missing.gguf", "cannot be read"),
        (tmp_path, "cannot be read"),
        (Path(__file__), "is not a GGUF file"),
        (half, "ends at byte"),
        (adapter, "is no model: its general.type is adapter"),
    ):
        with pytest.raises(ConfigError, match=flaw) as caught:
            model_file(str(path))
        assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        settings_for("embedded", {}, hf=str(tmp_path))


def test_what_does_not_belong_together_is_told() -> None:
    with pytest.raises(ConfigError, match="the runner is embedded") as caught:
        settings_for("embedded", {}, model="llama3.1:8b")
    assert "--gguf FILE" in caught.value.hint


def test_a_program_of_the_environment_is_kept_for_the_next_terminal(tmp_path: Path) -> None:
    newer = program(tmp_path / "llama-server", "--models-preset PATH, --lora-scaled FNAME:SCALE")
    older = program(tmp_path / "older", "--lora-scaled FNAME SCALE")
    named = settings_for("llama-server", {llama_server.VARIABLE: str(newer)})
    assert named == {"runner": {"kind": "llama-server", "binary": str(newer)}}
    on_path = settings_for("llama-server", {"PATH": str(tmp_path)})
    assert on_path == {"runner": {"kind": "llama-server"}}
    before_router_mode = settings_for("llama-server", {llama_server.VARIABLE: str(older)})
    assert before_router_mode["runner"]["mode"] == "single"


def test_a_missing_or_wrong_program_is_told_before_anything_is_made() -> None:
    for environment, flaw in (
        (NOWHERE, "llama-server is not on the PATH"),
        ({llama_server.VARIABLE: "/nowhere/llama-server"}, "/nowhere/llama-server is not a program"),
        ({llama_server.VARIABLE: shutil.which("true") or ""}, "is no llama-server"),
    ):
        with pytest.raises(ConfigError, match=flaw) as caught:
            settings_for("llama-server", environment)
        assert f"{llama_server.VARIABLE}=FILE" in caught.value.hint


@llama_server.needs_llama_server
def test_the_real_program_knows_both_modes() -> None:
    binary = os.environ[llama_server.VARIABLE]
    settings = settings_for("llama-server", {llama_server.VARIABLE: binary})
    assert settings["runner"] == {"kind": "llama-server", "binary": binary}


def test_a_model_of_ollama_is_looked_for_among_those_that_it_has(demo_gguf: Path, tmp_path: Path) -> None:
    with ollama.started(tmp_path / "ollama", version="0.33.0") as server:
        place = {"OLLAMA_HOST": server.url}
        with pytest.raises(ConfigError, match="which of the models") as caught:
            settings_for("ollama", place)
        assert "ollama pull" in caught.value.hint
        ollama.install(server.url, "demo", demo_gguf)
        with pytest.raises(ConfigError, match="which of the models") as caught:
            settings_for("ollama", place)
        assert "it has demo:latest" in caught.value.hint
        with pytest.raises(RunnerError, match='has no model "nobody"') as missing:
            settings_for("ollama", place, model="nobody")
        assert missing.value.hint == "it has demo:latest"
        settings = settings_for("ollama", place, model="demo")
        assert settings["base"]["name"] == "demo"
        assert Path(str(settings["base"]["gguf"])).read_bytes() == demo_gguf.read_bytes()
        assert settings["ollama"] == {"url": server.url}
        assert server.pulls() == []
    with pytest.raises(RunnerError, match=r"127\.0\.0\.1:1"):
        settings_for("ollama", NOWHERE, model="llama3.1:8b")
