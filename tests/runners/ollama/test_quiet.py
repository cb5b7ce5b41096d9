from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.runners.ollama.api import Loaded
from laimark_sidecar.runners.ollama.quiet import RECENT_S, activity


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


def test_damaged_note_begins_anew(note: Path) -> None:
    activity([at("llama", "12:05")], note, 100)
    note.write_text("{")
    assert activity([at("llama", "12:06")], note, 200).served == 0


def test_note_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    assert activity([], tmp_path / "absent" / "observed.json", 100).idle_s == 0
