from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.journal.consent import Consent, write_consent
from laimark_sidecar.journal.consent_file import ConsentFile


def test_what_is_written_holds_from_the_next_question_on(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    consent = ConsentFile(path)
    assert consent.now() == Consent()
    write_consent(path, Consent().switched_off("off", 1.0))
    now = consent.now()
    assert now is not None
    assert not now.on
    path.unlink()
    assert consent.now() == Consent()


def test_what_cannot_be_read_is_no_consent_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recording.json"
    path.write_bytes(b"{")
    consent = ConsentFile(path)
    assert consent.now() is None
    assert consent.now() is None
    assert caplog.text.count("nothing is recorded") == 1
    write_consent(path, Consent())
    assert consent.now() == Consent()
