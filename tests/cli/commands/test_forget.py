"""`laimark-sidecar forget`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.forgetting import SECRET, TRACES, add_version, append, files_with, say_secret
from tests.support.homes import correction, exchange, opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import control


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("forget", "--text", "x")


def test_a_dry_run_lists_and_changes_nothing(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = say_secret(opened(filled_home))
    assert run(["forget", "--text", SECRET, "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert told.id[:12] in shown.out
    assert "1 exchanges" in shown.err
    assert "1 lessons held" in shown.err
    assert files_with(filled_home.root, *TRACES) != []


def test_without_a_yes_nothing_is_forgotten(
    filled_home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    say_secret(opened(filled_home))
    assert run(["forget", "--text", SECRET]) == 2
    assert "nothing was forgotten" in capsys.readouterr().err
    assert files_with(filled_home.root, *TRACES) != []


@pytest.mark.parametrize("text", [("--text", "zebra"), ("--text", "zeb.a", "--regex")])
def test_with_yes_it_is_gone_from_every_file(filled_home: Home, text: tuple[str, ...]) -> None:
    say_secret(opened(filled_home))
    assert run(["forget", *text, "--yes"]) == 0
    assert files_with(filled_home.root, *TRACES) == []


def test_json_tells_what_would_go_and_what_went(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _, told = say_secret(opened(filled_home))
    capsys.readouterr()
    assert run(["forget", "--text", SECRET, "--dry-run", "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["exchanges"]] == [told.id]
    assert run(["forget", "--text", SECRET, "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["lines"], done["items"], done["finished"]) == (1, 1, True)


def test_nothing_found_is_said_and_is_no_failure(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["forget", "--text", "nobody said this", "--yes"]) == 0
    assert "nothing of that is here" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("--text", "("), ("abc",)])
def test_what_cannot_be_meant_is_refused(
    filled_home: Home, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(["forget", *arguments, "--regex", "--yes"]) != 0
    assert "error:" in capsys.readouterr().err


def test_what_stands_in_another_program_s_files_is_said(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    one = exchange((Message(role="user", content="hello"),), "Hi.", 5.0)
    append(filled_home, replace(one, source="open-webui"))
    assert run(["forget", "--source", "open-webui", "--yes"]) == 0
    assert "1 of these came from open-webui: its own files still hold them" in capsys.readouterr().err


def test_rebuild_serves_what_saw_none_of_it_and_asks_for_a_cycle(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(filled_home)
    _, told = correction(1)
    with workshop.store() as store:
        item = next(one for one in store.items() if told.id in one.exchange_ids)
    add_version(workshop, "me:2026-11-22-aaaa", sample_ids=[item.id])
    with served(workshop):
        workshop.registry.set_refs({"latest": "me:2026-11-22-aaaa"}, reason="test")
        assert run(["forget", told.id, "--yes", "--rebuild"]) == 0
    assert "me:2026-11-22-aaaa" in capsys.readouterr().err
    assert workshop.registry.refs()["latest"] == ""
    assert control.training_requested(filled_home)


def test_a_tainted_version_is_shown_and_served_only_after_a_yes(
    filled_home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = opened(filled_home)
    version = add_version(workshop, "me:2026-11-22-aaaa", sample_ids=["gone"])
    with workshop.store() as store:
        store.oblivion.remove(["gone"])
    assert run(["list"]) == 0
    assert "tainted" in capsys.readouterr().out
    assert run(["show", version.name]) == 0
    assert "tainted" in capsys.readouterr().out
    for command in ("use", "promote"):
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        assert run([command, version.name]) == 2
        assert "add --yes to serve it all the same" in capsys.readouterr().err


def test_resume_with_nothing_to_resume_says_so(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forget", "--resume"]) == 0
    assert "0 lines" in capsys.readouterr().out
