from __future__ import annotations

import pytest
from tests.support.homes import CONVERSATIONS, opened

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import journal_source as module
from laimark_sidecar.pipeline.journal_source import journal_source


def test_installed_package_brings_the_source_of_its_own_journal(ready_home: Home) -> None:
    source = journal_source(opened(ready_home))
    assert source.name == "journal"
    assert source.watch() == (ready_home.journal,)
    assert len(source.read(None).records) == 2 * CONVERSATIONS


def test_package_that_is_not_installed_says_so(ready_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_sources", dict)
    with pytest.raises(ConfigError, match="not registered") as caught:
        journal_source(opened(ready_home))
    assert "pip install" in caught.value.hint
