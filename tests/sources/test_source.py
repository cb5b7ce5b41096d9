from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from laimark_sidecar.sources import source
from laimark_sidecar.sources.journal import JournalSource


def test_built_in_sources_come_in_by_the_plugin_door() -> None:
    assert source.load_sources()["journal"] is JournalSource


def test_a_broken_plugin_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = EntryPoint("journal", "laimark_sidecar.sources.journal:JournalSource", source.GROUP)
    gone = EntryPoint("gone", "no_such_package:Source", source.GROUP)
    typo = EntryPoint("typo", "laimark_sidecar.sources.journal:JurnalSource", source.GROUP)
    monkeypatch.setattr("laimark_sidecar.sources.source.entry_points", lambda group: [gone, good, typo])
    assert list(source.load_sources()) == ["journal"]
    assert "gone" in caplog.text
    assert "typo" in caplog.text
