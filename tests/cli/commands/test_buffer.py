"""`laimark-sidecar buffer`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.homes import IDIOM, opened, reconfigure, record, take_in

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home
from laimark_sidecar.registry.version import Version


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["buffer", "list", "--json", *options]) == 0
    items: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return items


@pytest.mark.parametrize("arguments", [("stats",), ("list",), ("show", "abcdef"), ("rm", "abcdef")])
def test_needs_a_home(without_home: Callable[..., None], arguments: tuple[str, ...]) -> None:
    without_home("buffer", *arguments)


def test_stats_count_what_is_held(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["buffer", "stats", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["items"] == 6
    assert found["by_signal"] == {"correction": 6}
    assert sum(found["by_split"].values()) == 6
    assert run(["buffer", "stats"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("6 of 4096 items, ")
    assert "in quarantine until" not in out
    assert ["signal", "correction", "6"] in [line.split() for line in out.splitlines()]


def test_stats_tell_what_waits_in_quarantine(filled_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    reconfigure(filled_home, "replay", quarantine_hours=24.0)
    assert run(["buffer", "stats", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["quarantined"] + found["quarantined_heldout"] == 6
    assert run(["buffer", "stats"]) == 0
    caption = capsys.readouterr().out.splitlines()[0]
    assert caption.endswith(f"held-out examples in quarantine until {found['quarantine_until']}")


def test_list_shows_lessons_in_the_order_of_their_arrival(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    items = listed(capsys)
    assert [item["target"] for item in items] == [IDIOM] * 6
    assert [item["time_s"] for item in items] == sorted(item["time_s"] for item in items)
    assert run(["buffer", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [item["id"][:12] for item in items]
    assert all(IDIOM in line for line in lines)


def test_list_goes_on_behind_an_id_as_the_list_shows_it(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    items = listed(capsys)
    assert listed(capsys, "--limit", "2") == items[-2:]
    assert listed(capsys, "--after", items[1]["id"][:12], "--limit", "3") == items[2:5]
    assert listed(capsys, "--after", items[5]["id"]) == []


def test_list_of_one_split_leaves_the_other_out(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    heldout, train = listed(capsys, "--split", "heldout"), listed(capsys, "--split", "train")
    assert {item["split"] for item in heldout} <= {"heldout"}
    assert len(heldout) + len(train) == 6


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_a_limit_below_one_is_wrong_usage(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["buffer", "list", "--limit", limit]) == 2
    assert "--limit" in capsys.readouterr().err


def test_show_tells_prompt_target_provenance_and_what_was_rejected(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    item = listed(capsys)[0]
    assert run(["buffer", "show", item["id"][:8]]) == 0
    out = capsys.readouterr().out
    assert item["id"] in out
    assert "--- user\nComplete the code:" in out
    assert f"--- target\n{IDIOM}" in out
    assert item["rejected"] != ""
    assert f"--- rejected\n{item['rejected']}" in out
    assert "] typed" in out
    assert run(["buffer", "show", item["id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == item


def test_an_unknown_item_is_named_in_the_refusal(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["buffer", "show", "ffffffffffff"]) == 4
    err = capsys.readouterr().err
    assert "error: 'ffffffffffff' names no items" in err
    assert "hint: see ids with: laimark-sidecar buffer list --json" in err


def test_what_was_forgotten_does_not_come_back_with_the_log(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *rest = listed(capsys)
    assert run(["buffer", "rm", "--yes", first["id"], second["id"][:12], first["id"]]) == 0
    assert capsys.readouterr().out == "2 items forgotten\n"
    workshop = opened(filled_home)
    record(filled_home, range(6))  # the same exchanges once more
    take_in(workshop)
    assert listed(capsys) == rest


def test_forgetting_names_the_versions_that_learned_it(
    filled_home: Home, versions: tuple[Version, Version], capsys: pytest.CaptureFixture[str]
) -> None:
    _, older = versions
    item = listed(capsys)[0]
    opened(filled_home).registry.add(
        replace(older, name="me:2026-11-22-cccc", sample_ids=(item["id"],), cycle="c", created_s=1.9e9)
    )
    assert run(["buffer", "rm", "--yes", item["id"]]) == 0
    assert (
        capsys.readouterr().out
        == "1 item forgotten\nthese versions were trained on them: me:2026-11-22-cccc\n"
    )


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_no_and_nobody_to_ask_forget_nothing(
    filled_home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    item = listed(capsys)[0]
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert run(["buffer", "rm", item["id"]]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Forget 1 item?" in err
    assert "nothing was forgotten: add --yes" in err
    assert len(listed(capsys)) == 6


def test_one_unknown_id_forgets_none_of_the_others(
    filled_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    item = listed(capsys)[0]
    assert run(["buffer", "rm", "--yes", item["id"], "ffffffffffff"]) == 4
    assert len(listed(capsys)) == 6
