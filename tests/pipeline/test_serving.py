from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import only_version, opened, reconfigure

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.serving import serve_settings


def test_accepted_version_is_served_and_the_names_follow_the_refs(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    workshop.registry.add(replace(version, name="me:2026-11-22-fffe", verdict="worse"))
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    settings = serve_settings(workshop)
    assert settings.adapters == {
        version.name: workshop.registry.objects.path(version.objects["adapter.gguf"])
    }
    assert settings.names == {"base": "", "me:latest": version.name, "me:prev": ""}
    assert settings.port == workshop.config.runner.port
    assert settings.base_path == workshop.base.gguf
    assert settings.journal_folder == trained_home.journal
    assert settings.token


def test_conversation_log_is_written_as_configured(ready_home: Home) -> None:
    reconfigure(ready_home, "journal", fsync="always", segment_mib=2, record=False)
    settings = serve_settings(opened(ready_home))
    assert (settings.fsync, settings.segment_bytes, settings.record) == ("always", 2 * 1024 * 1024, False)


def test_damaged_version_is_left_out_and_its_name_answers_as_the_base(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    adapter = workshop.registry.objects.path(version.objects["adapter.gguf"])
    adapter.chmod(0o600)
    adapter.write_bytes(b"damaged")
    settings = serve_settings(workshop)
    assert settings.adapters == {}
    assert settings.names["me:latest"] == ""
    adapter.unlink()
    assert serve_settings(workshop).adapters == {}


def test_another_runner_is_not_started_by_serve(ready_home: Home) -> None:
    reconfigure(ready_home, "runner", kind="llama-server")
    with pytest.raises(ConfigError, match="llama-server") as caught:
        serve_settings(opened(ready_home))
    assert caught.value.hint == "start it with: laimark-sidecar runner start"
