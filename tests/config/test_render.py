"""The file that `init` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

from laimark_sidecar.config.load import load, load_settings
from laimark_sidecar.config.render import render_default
from laimark_sidecar.config.schema import Config, all_keys


def test_loading_the_written_file_gives_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(render_default(), encoding="utf-8")
    assert load(file, {}) == Config()
    assert {setting.origin for setting in load_settings(file, {})} == {"file"}


def test_every_key_stands_in_the_file_in_order() -> None:
    parsed = tomllib.loads(render_default())
    assert [f"{s}.{k}" for s, table in parsed.items() for k in table] == [key.path for key in all_keys()]


def test_every_key_is_explained_above_it() -> None:
    lines = render_default().splitlines()
    for key in all_keys():
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{key.name} ="))
        assert lines[at - 1].startswith("# ")


def test_no_line_is_longer_than_a_terminal_is_wide() -> None:
    assert max(map(len, render_default().splitlines())) <= 110
