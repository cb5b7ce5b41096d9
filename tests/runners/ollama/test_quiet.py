from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.tools import HandClock

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.ollama.api import Loaded
from laimark_sidecar.runners.ollama.quiet import RECENT_S, activity, asking


def at(name: str, expires: str) -> Loaded:
    return Loaded(name=name, expires_at=expires)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "observed.json"


def test_quiet_grows_from_one_process_to_the_next(note: Path) -> None:
    held = [at("llama", "12:05")]
    assert activity(held, note, 100).idle_s == 0, "the first look begins it"
    assert not activity(held, note, 101).busy
    assert activity(held, note, 160).idle_s == 60


def test_answer_that_ended_since_the_last_look_is_a_use_and_counts_as_busy_for_a_moment(note: Path) -> None:
    activity([at("llama", "12:05")], note, 100)
    used = activity([at("llama", "12:06")], note, 200)
    assert (used.busy, used.idle_s, used.served) == (True, 0, 1)
    assert activity([at("llama", "12:06")], note, 200 + RECENT_S / 2).busy
    later = activity([at("llama", "12:06")], note, 200 + 2 * RECENT_S)
    assert (later.busy, later.idle_s, later.served) == (False, 2 * RECENT_S, 1)


def test_model_that_came_is_a_use_and_one_that_left_is_none(note: Path) -> None:
    activity([], note, 100)
    assert activity([at("llama", "12:05"), at("qwen", "12:05")], note, 200).served == 2
    left = activity([], note, 300)
    assert (left.busy, left.idle_s, left.served) == (False, 100, 2)


def test_clock_that_was_set_back_does_not_make_it_busy_for_hours(note: Path) -> None:
    activity([], note, 10_000)
    assert activity([], note, 100).idle_s == 0
    assert activity([], note, 160).idle_s == 60


@pytest.mark.parametrize("content", [b"{", b'{"leaving": {"\xff": ""}}', b'{"x": ' + b"[" * 100_000])
def test_damaged_note_begins_anew(note: Path, content: bytes) -> None:
    activity([at("llama", "12:05")], note, 100)
    note.write_bytes(content)
    assert activity([at("llama", "12:06")], note, 200).served == 0


def test_note_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    assert activity([], tmp_path / "absent" / "observed.json", 100).idle_s == 0


def test_what_the_sidecar_asks_is_no_use_and_what_was_before_it_is(note: Path) -> None:
    clock, held = HandClock(100.0), [at("llama", "12:05")]
    activity(held, note, 100)
    held[0] = at("llama", "12:06")  # somebody
    clock.time_s = 200
    with asking(lambda: held, note, clock, longest_s=60):
        held[0] = at("me", "12:07")  # we
        assert activity(held, note, 201).served == 1, "the daemon looks meanwhile"
        held[0] = at("me", "12:08")
    found = activity(held, note, 230)
    assert (found.busy, found.idle_s, found.served) == (False, 30, 1)
    held[0] = at("me", "12:09")  # somebody
    assert activity(held, note, 240).served == 2


def test_mark_that_a_crash_left_is_ignored_in_the_end(note: Path) -> None:
    clock = HandClock(100.0)
    crashing = asking(list, note, clock, longest_s=60)
    crashing.__enter__()
    assert not activity([at("llama", "12:05")], note, 150).busy
    assert activity([at("llama", "12:06")], note, 161).busy


def test_question_that_fails_with_ollama_fails_with_its_own_reason(note: Path) -> None:
    answers = [list[Loaded]()]

    def look() -> list[Loaded]:
        if not answers:
            raise RunnerError("Ollama does not answer")
        return answers.pop()

    with (
        pytest.raises(ValueError, match="the question's"),
        asking(look, note, HandClock(100.0), longest_s=60),
    ):
        raise ValueError("the question's")
    with pytest.raises(RunnerError), asking(look, note, HandClock(100.0), longest_s=60):
        pytest.fail("nothing is asked of a server that is gone")
