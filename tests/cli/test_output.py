"""What a result looks like, for people and for scripts."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner

from laimark_sidecar.cli.output import emit, json_option, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    name: str
    score: float


def test_json_is_the_payload_and_the_human_side_is_not_even_made(capsys: pytest.CaptureFixture[str]) -> None:
    def human() -> str:
        raise AssertionError

    emit([Answer(name="ä", score=0.5)], human, as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"name": "ä", "score": 0.5}]


def test_a_text_is_written_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    emit(None, lambda: "[bold]one[/bold]", as_json=False)
    assert capsys.readouterr().out == "[bold]one[/bold]\n"


def test_a_table_in_a_pipe_is_plain_text_with_whole_rows(capsys: pytest.CaptureFixture[str]) -> None:
    name = "me:2026-11-22-3f9a " * 6
    emit(None, lambda: table(("name", "gain"), [(name, 0.25), ("[x]", 10)]), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(lines)
    assert lines[2].split() == [*name.split(), "0.25"]
    assert lines[3].split() == ["[x]", "10"]


def test_a_caption_is_one_line_whatever_the_width_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    caption = "embedded at http://127.0.0.1:11440: idle for 2 s, 17 requests served"
    emit(None, lambda: table(("a", "b"), [("x", 1)]), caption=caption, as_json=False)
    assert capsys.readouterr().out.splitlines()[0] == caption
    emit({"a": 1}, lambda: "", caption=caption, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_numbers_are_set_flush_right() -> None:
    made = table(("name", "gain"), [("a", 1), ("b", 2.5)])
    assert [column.justify for column in made.columns] == ["left", "right"]


def test_a_table_may_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    emit(None, lambda: table(("name", "gain"), []), as_json=False)
    assert "name" in capsys.readouterr().out


def test_the_json_option_is_passed_as_a_flag() -> None:
    @click.command()
    @json_option
    def ask(as_json: bool) -> None:
        click.echo(str(as_json))

    assert CliRunner().invoke(ask, ["--json"]).output == "True\n"
    assert CliRunner().invoke(ask, []).output == "False\n"
