"""`laimark-sidecar init`: nothing is recorded that nobody agreed to."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from tests.support import ollama

from laimark_sidecar.cli import run
from laimark_sidecar.config.load import load
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import discovery
from laimark_sidecar.runners.llama_server.command import VARIABLE


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No runner of this machine is found: what is here is what a test puts here."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(discovery, "LLAMA_SERVER_URL", "http://127.0.0.1:1")


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_yes_makes_an_owner_only_home_that_records(
    fresh_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"set up: {fresh_home.root}\nconversations: recorded in {fresh_home.journal}\n")
    assert err == ""
    assert stat.S_IMODE(fresh_home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(fresh_home.runner_token.stat().st_mode) == 0o600
    assert load(fresh_home.config).journal.record


def test_a_folder_that_others_could_read_is_closed(fresh_home: Home) -> None:
    fresh_home.root.mkdir(mode=0o755)
    assert run(["init", "--yes"]) == 0
    assert stat.S_IMODE(fresh_home.root.stat().st_mode) == 0o700


def test_no_record_records_nothing(fresh_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--no-record"]) == 0
    assert "conversations: not recorded" in capsys.readouterr().out
    assert not load(fresh_home.config).journal.record


@pytest.mark.parametrize(("answer", "recorded"), [("y\n", True), ("\n", True), ("n\n", False)])
def test_the_user_is_told_and_asked_before_anything_is_recorded(
    fresh_home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    recorded: bool,
) -> None:
    say(monkeypatch, answer)
    assert run(["init"]) == 0
    out, err = capsys.readouterr()
    assert "Record conversations?" in err
    assert str(fresh_home.journal) in err
    assert "Record" not in out
    assert load(fresh_home.config).journal.record is recorded


def test_silence_is_no_consent(
    fresh_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(monkeypatch, "")
    assert run(["init"]) == 2
    err = capsys.readouterr().err
    assert "add --yes or --no-record" in err
    assert "\nUsage: " in err
    assert not fresh_home.config.exists()


def test_a_second_time_changes_nothing_and_asks_nothing(
    fresh_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--no-record"]) == 0
    before = fresh_home.config.read_bytes()
    capsys.readouterr()
    say(monkeypatch, "")
    assert run(["init"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"already set up: {fresh_home.root}\nconversations: not recorded")
    assert err == ""
    assert fresh_home.config.read_bytes() == before


def test_no_record_on_a_recording_home_is_not_passed_over(
    fresh_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--yes"]) == 0
    assert run(["init", "--no-record"]) == 3
    err = capsys.readouterr().err
    assert "journal.record is true" in err
    assert "hint: set journal.record = false" in err


def test_a_home_that_cannot_be_made_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path / "file"))
    assert run(["init", "--yes"]) == 5
    err = capsys.readouterr().err
    assert f"error: {tmp_path / 'file'} cannot be set up" in err
    assert "Traceback" not in err


def test_a_model_of_ollama_is_chosen_by_its_number_and_recording_is_through_the_gateway(
    fresh_home: Home,
    demo_gguf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ollama.started(tmp_path / "ollama", version="0.33.0") as server:
        ollama.install(server.url, "mine", demo_gguf)
        ollama.install(server.url, "other", demo_gguf)
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        say(monkeypatch, "2\ny\n")
        assert run(["init"]) == 0
        out, err = capsys.readouterr()
        assert "1) mine:latest, Ollama 0.33.0 at" in err
        assert "Record conversations?" in err
        assert "next: laimark-sidecar doctor" in out
        assert "of what passes the gateway (http://127.0.0.1:11436): laimark-sidecar gateway" in out
        config = load(fresh_home.config)
        assert (config.runner.kind, config.base.name) == ("ollama", "other:latest")
        assert config.journal.record
        assert Path(config.base.gguf).is_file()
        monkeypatch.delenv("OLLAMA_HOST")  # the next terminal does not have it
        assert load(fresh_home.config).ollama.url == server.url
        assert run(["init", "--runner", "embedded"]) == 3
        assert "is not changed" in capsys.readouterr().err


def test_the_demo_model_is_told_for_what_it_is_and_taken_where_nobody_is_asked(
    fresh_home: Home,
    demo_gguf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ollama.started(tmp_path / "ollama", version="0.33.0") as server:
        ollama.install(server.url, "mine", demo_gguf)
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        say(monkeypatch, "3\ny\n")
        assert run(["init"]) == 0
        out = capsys.readouterr().out
        assert load(fresh_home.config).runner.kind == "embedded"
        assert load(fresh_home.config).journal.record
        assert "learns for: the small demo model" in out
        assert "also here" not in out
        fresh_home.config.unlink()
        assert run(["init", "--yes"]) == 0
        out = capsys.readouterr().out
        assert f"also here: Ollama 0.33.0 at {server.url}" in out
        assert "`laimark-sidecar init --runner ollama --model NAME`" in out


def test_what_is_no_model_is_refused_before_a_home_is_made(
    fresh_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--yes", "--gguf", __file__]) == 3
    assert "is not a GGUF file" in capsys.readouterr().err
    assert run(["init", "--yes", "--runner", "llama-server"]) == 3
    assert "llama-server is not on the PATH\nhint: install llama.cpp" in capsys.readouterr().err
    assert not fresh_home.root.exists()


def test_yes_and_no_at_once_are_refused(fresh_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--yes", "--no-record"]) == 2
    assert not fresh_home.root.exists()
    assert run(["init", "--no-record"]) == 0
    assert run(["init", "--yes", "--no-record"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_a_home_that_is_named_from_here_is_told_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAIMARK_HOME", "rel")
    assert run(["init", "--no-record"]) == 0
    assert f"set up: {tmp_path / 'rel'}\n" in capsys.readouterr().out


def test_an_ollama_elsewhere_is_warned_of(
    fresh_home: Home,
    demo_gguf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ollama.started(tmp_path / "ollama", version="0.33.0") as server:
        ollama.install(server.url, "mine", demo_gguf)
        arguments = ["init", "--yes", "--model", "mine", "--gguf", str(demo_gguf), "--url"]
        assert run([*arguments, server.url]) == 0
        assert capsys.readouterr().err == ""
        # An address that is reserved for documentation (RFC 5737): nobody answers there, and nobody is asked.
        monkeypatch.setenv("LAIMARK_OLLAMA_URL", "http://192.0.2.1:11434")
        assert run(["init"]) == 0
        assert "warning: Ollama at http://192.0.2.1:11434 is on another machine" in capsys.readouterr().err


def test_nothing_is_asked_where_nobody_shall_be(
    fresh_home: Home,
    demo_gguf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    say(monkeypatch, "")
    assert run(["init", "--no-input"]) == 2
    assert "add --yes or --no-record" in capsys.readouterr().err
    assert not fresh_home.root.exists()
    with ollama.started(tmp_path / "ollama", version="0.34.1") as server:
        ollama.install(server.url, "mine", demo_gguf)
        arguments = ["init", "--no-input", "--yes", "--model", "mine", "--url", server.url]
        assert run([*arguments[:4], "nobody", *arguments[5:]]) == 7
        assert not fresh_home.root.exists()
        capsys.readouterr()
        assert run(arguments) == 0
    config = load(fresh_home.config)
    assert (config.runner.kind, config.base.name, config.ollama.url) == ("ollama", "mine", server.url)
