"""`laimark-sidecar buffer review`."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.support.homes import correction, only_version, opened, reconfigure, take_in

from laimark_sidecar.cli import run
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import Workshop

SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
LEAK = f"connect(token='{SECRET}', retries=3)"


@pytest.fixture
def home(filled_home: Home) -> Home:
    """Six corrections in quarantine, and one that was left out for a token; it is the newest."""
    reconfigure(filled_home, "replay", quarantine_hours=24.0)
    with JournalWriter(filled_home.journal, clock=SystemClock()) as writer:
        for record in correction(100, target=LEAK):
            writer.append(record)
    take_in(opened(filled_home))
    return filled_home


def waiting(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["buffer", "review", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_the_list_tells_why_and_hides_what_was_found(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    rows = waiting(capsys)
    assert [row["kind"] for row in rows] == ["finding", *["quarantine"] * 6]
    assert "github token" in rows[0]["rules"]
    assert rows[0]["client"] == "tests"
    assert SECRET not in json.dumps(rows)


def test_nothing_waits(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["buffer", "review"]) == 0
    assert capsys.readouterr().out == "nothing waits\n"


def test_accept_needs_to_be_told_that_it_is_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    leak, first, *_ = waiting(capsys)
    assert run(["buffer", "review", "accept", leak["id"][:12]]) == 4
    assert "--false-alarm" in capsys.readouterr().err
    assert run(["buffer", "review", "accept", "--false-alarm", leak["id"][:12], first["id"][:12]]) == 0
    left = {row["id"] for row in waiting(capsys)}
    assert len(left) == 5
    assert not left & {leak["id"], first["id"]}


def test_reject_forgets_for_good(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    leak, first, *_ = waiting(capsys)
    assert run(["buffer", "review", "reject", leak["id"], first["id"][:12]]) == 0
    assert capsys.readouterr().out == f"{leak['id'][:12]} forgotten\n{first['id'][:12]} forgotten\n"
    assert len(waiting(capsys)) == 5


def test_redact_puts_another_in_its_place(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    leak, first, *_ = waiting(capsys)
    assert run(["buffer", "review", "redact", leak["id"]]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{leak['id'][:12]} forgotten, ")
    assert run(["buffer", "review", "redact", first["id"], "--target", "pass  # as told"]) == 0
    assert run(["buffer", "review", "redact", first["id"], leak["id"], "--target", "x"]) == 2
    assert len(waiting(capsys)) == 5
    assert run(["buffer", "list", "--json"]) == 0
    targets = [item["target"] for item in json.loads(capsys.readouterr().out)]
    assert "pass  # as told" in targets
    assert not any(SECRET in target for target in targets)


def test_it_asks_about_one_after_the_other(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leak, first, second, third, *_ = waiting(capsys)
    # Not nothing: accepted it may not be, so it is asked again, and redacted.
    answer(monkeypatch, "a", "n", "d", "a", "r", "s", "q")
    assert run(["buffer", "review"]) == 0
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    assert f"1 of 7: {leak['id'][:12]}  correction from embedded by tests" in shown.out
    assert "5 of 7" in shown.out
    assert "6 of 7" not in shown.out
    assert "holds: " in shown.err
    left = {row["id"] for row in waiting(capsys)}
    assert left & {leak["id"], first["id"], second["id"], third["id"]} == {third["id"]}
    assert len(left) == 4


def test_without_anybody_to_answer_nothing_is_decided(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch)
    assert run(["buffer", "review"]) == 0
    assert len(waiting(capsys)) == 7


def test_a_target_is_edited_in_the_users_editor(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The editor is a real program: sed."""
    monkeypatch.setenv("VISUAL", "sed -i s/token=[^,]*/token=read/")
    answer(monkeypatch, "e", "q")
    assert run(["buffer", "review"]) == 0
    assert "accepted in its place" in capsys.readouterr().out
    assert run(["buffer", "list", "--json"]) == 0
    assert "connect(token=read, retries=3)" in [
        item["target"] for item in json.loads(capsys.readouterr().out)
    ]


def test_stats_tell_how_many_were_left_out(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["buffer", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == 1
    assert run(["buffer", "stats"]) == 0
    assert ", 1 left out for what they hold (laimark-sidecar buffer review)" in capsys.readouterr().out


@pytest.mark.parametrize("decision", [("reject",), ("redact", "--target", "pass  # as told")])
def test_versions_that_learned_it_are_named(
    trained_home: Home, capsys: pytest.CaptureFixture[str], decision: tuple[str, ...]
) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    learned = next(item_id for item_id in version.sample_ids if held(workshop, item_id))
    assert run(["buffer", "review", decision[0], learned, *decision[1:]]) == 0
    assert f"these versions were trained on them: {version.name}" in capsys.readouterr().out


def held(workshop: Workshop, item_id: str) -> bool:
    with workshop.store() as store:
        return store.get(item_id) is not None
