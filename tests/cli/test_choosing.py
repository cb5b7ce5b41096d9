"""The one question of `init`, with what a person types."""

from __future__ import annotations

import io
import os
from pathlib import Path

import click
import pytest
from tests.support.llama_server import VARIABLE, needs_llama_server

from laimark_sidecar.cli.choosing import choose
from laimark_sidecar.errors import ConfigError
from laimark_sidecar.pipeline.discovery import Found

SERVER = Found(kind="llama-server", what="llama-server (/opt/llama-server)")


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_file_is_asked_for_until_it_is_a_model(
    demo_gguf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(monkeypatch, f"2\n{__file__}\n{demo_gguf.parent}\n{demo_gguf}\n")
    kind, settings = choose((SERVER,), {})
    assert (kind, settings["base"]["gguf"]) == ("embedded", str(demo_gguf))
    err = capsys.readouterr().err
    assert "2) a GGUF file of yours, served by `laimark-sidecar serve`" in err
    assert f"Error: --gguf {__file__}: " in err


@needs_llama_server
def test_a_llama_server_is_offered_where_none_runs_yet(
    demo_gguf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(monkeypatch, f"1\n{demo_gguf}\n")
    kind, settings = choose((SERVER,), {VARIABLE: os.environ[VARIABLE]})
    assert kind == "llama-server"
    assert settings["runner"] == {"kind": "llama-server", "binary": os.environ[VARIABLE]}
    assert "1) a GGUF file of yours, llama-server (/opt/llama-server)" in capsys.readouterr().err


def test_what_cannot_be_used_is_told(demo_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, f"1\n{demo_gguf}\n")
    with pytest.raises(ConfigError, match="not on the PATH"):
        choose((SERVER,), {"PATH": ""})


def test_nobody_gets_the_demo_model_and_half_an_answer_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, "")
    assert choose((SERVER,), {}) == ("embedded", {})
    say(monkeypatch, "2\n")
    with pytest.raises(click.UsageError, match="--gguf FILE"):
        choose((SERVER,), {})


def test_what_a_runner_has_is_the_default_and_the_demo_model_comes_last(
    demo_gguf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Found(kind="llama-server", what="llama-server", models=(str(demo_gguf),))
    say(monkeypatch, "4\n")
    assert choose((found,), {}) == ("embedded", {})
    err = capsys.readouterr().err
    assert f"  1) {demo_gguf}, llama-server" in err
    assert "  4) the small demo model" in err
    assert "Number [1]:" in err
