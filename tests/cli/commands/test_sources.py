from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.pipeline.test_source_import import filled
from tests.support.processes import run_command

from laimark_sidecar.paths import Home


@pytest.fixture
def webui(tmp_path: Path) -> Path:
    return filled(tmp_path / "webui.db", 2)


def test_a_log_is_added_imported_looked_at_and_removed(ready_home: Home, webui: Path) -> None:
    added = run_command(ready_home, "sources", "add", "open-webui", str(webui))
    assert added.returncode == 0, added.stderr
    assert "laimark-sidecar sources import open-webui" in added.stdout
    imported = run_command(ready_home, "sources", "import", "open-webui")
    assert imported.stdout == "4 records taken in, 0 left out, 0 could not be read\n"
    again = json.loads(run_command(ready_home, "sources", "import", "open-webui", "--json").stdout)
    assert (again["records"], again["faults"]) == (0, 0)
    (listed,) = json.loads(run_command(ready_home, "sources", "list", "--json").stdout)
    assert (listed["name"], listed["path"], listed["trusted"]) == ("open-webui", str(webui), False)
    (status,) = json.loads(run_command(ready_home, "sources", "status", "--json").stdout)
    assert (status["state"]["records"], status["state"]["error"]) == (4, "")
    removed = run_command(ready_home, "sources", "rm", "open-webui", "--yes")
    assert "forget --source open-webui" in removed.stdout
    assert json.loads(run_command(ready_home, "sources", "list", "--json").stdout) == []


def test_what_is_no_log_is_refused_in_a_sentence(ready_home: Home, tmp_path: Path) -> None:
    (tmp_path / "webui.db").write_bytes(b"something else" * 100)
    refused = run_command(ready_home, "sources", "add", "open-webui", str(tmp_path / "webui.db"))
    assert refused.returncode == 5
    assert "cannot be read as Open WebUI's database" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_kinds_are_listed_with_their_places(ready_home: Home) -> None:
    kinds = {one["kind"] for one in json.loads(run_command(ready_home, "sources", "kinds", "--json").stdout)}
    assert {"llm", "open-webui", "sillytavern", "lm-studio", "ollama-desktop"} <= kinds
