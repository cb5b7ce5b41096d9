from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.config.edit import edit, written
from laimark_sidecar.config.load import load
from laimark_sidecar.errors import ConfigError

TEXT = """# mine
[gateway]
port = 4000 # because
[journal]
record = true
"""


def test_only_the_named_keys_change_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TEXT, encoding="utf-8")
    before = written(path, {"gateway": ("port",), "ollama": ("url",)})
    assert before == {"gateway": {"port": 4000}, "ollama": {"url": None}}
    edit(path, {"gateway": {"port": 5000}, "ollama": {"url": "http://127.0.0.1:1"}})
    changed = load(path, {})
    assert (changed.gateway.port, changed.ollama.url) == (5000, "http://127.0.0.1:1")
    assert "# because" in path.read_text(encoding="utf-8")
    edit(path, before)
    assert path.read_text(encoding="utf-8").startswith(TEXT)
    assert load(path, {}).ollama.url == ""


def test_a_file_that_is_not_valid_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[gateway]\nport = 'x'\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        edit(path, {"gateway": {"port": 1}})
    assert path.read_text(encoding="utf-8") == "[gateway]\nport = 'x'\n"
