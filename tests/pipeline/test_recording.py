from __future__ import annotations

from pathlib import Path

from laimark_sidecar.config.capture import Journal
from laimark_sidecar.config.schema import Config
from laimark_sidecar.config.serving import Runner
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.recording import told, why_not_recorded


def test_only_the_embedded_runner_records_and_only_with_consent(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    assert why_not_recorded(Config()) == ""
    assert told(home, Config()) == f"recorded in {tmp_path / 'journal'}"
    refused = Config(journal=Journal(record=False))
    assert told(home, refused) == "not recorded (journal.record is false)"


def test_a_runner_that_keeps_no_log_is_named_with_the_one_that_does() -> None:
    for kind in ("llama-server", "ollama"):
        runner = Runner(kind="llama-server") if kind == "llama-server" else Runner(kind="ollama")
        why = why_not_recorded(Config(runner=runner))
        assert why.startswith(f"nothing is recorded through {kind} yet")
        assert "laimark-sidecar serve" in why
