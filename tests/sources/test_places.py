from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.sources.places import usual_places

ADA = Path("/home/ada")


@pytest.mark.parametrize(
    ("kind", "platform", "first"),
    [
        ("llm", "linux", "/home/ada/.config/io.datasette.llm"),
        ("llm", "darwin", "/home/ada/Library/Application Support/io.datasette.llm"),
        ("ollama-desktop", "win32", "/home/ada/AppData/Local/Ollama"),
        ("ollama-desktop", "darwin", "/home/ada/Library/Application Support/Ollama"),
        ("continue", "linux", "/home/ada/.continue/dev_data"),
        ("lm-studio", "linux", "/home/ada/.lmstudio/conversations"),
    ],
)
def test_each_platform_has_its_place(kind: str, platform: str, first: str) -> None:
    assert usual_places(kind, {}, ADA, platform=platform)[0].as_posix() == first


def test_a_program_that_was_moved_is_looked_for_there() -> None:
    moved = {"LLM_USER_PATH": "/logs", "DATA_DIR": "/data", "XDG_CONFIG_HOME": "/config"}
    assert usual_places("llm", moved, ADA, platform="linux") == (Path("/logs"),)
    assert usual_places("open-webui", moved, ADA, platform="linux")[0] == Path("/data")
    assert usual_places("ollama-desktop", moved, ADA, platform="linux") == (Path("/config/Ollama"),)


def test_a_kind_without_a_usual_place_has_none() -> None:
    assert usual_places("openai-jsonl", {}, ADA, platform="linux") == ()
