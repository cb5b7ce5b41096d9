from __future__ import annotations

from pathlib import Path

import pytest
from tests.pipeline.test_intake import said
from tests.support.homes import opened

from laimark_sidecar.config.capture import Gateway, Journal
from laimark_sidecar.config.schema import Config
from laimark_sidecar.config.serving import Runner
from laimark_sidecar.journal.consent import Consent, write_consent
from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.recording import told, wanted, why_not_recorded

OLLAMA = Config(runner=Runner(kind="ollama"), gateway=Gateway(port=12345))


def test_the_embedded_runner_records_by_itself_and_only_with_consent(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    assert why_not_recorded(home, Config(), gateway_runs=False) == ""
    assert told(home, Config()) == f"recorded in {tmp_path / 'journal'}"
    refused = Config(journal=Journal(record=False))
    assert told(home, refused) == "not recorded (journal.record is false)"
    assert why_not_recorded(home, refused, gateway_runs=True) == "journal.record is false"


def test_what_passes_the_gateway_is_recorded_while_it_runs(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    assert why_not_recorded(home, OLLAMA, gateway_runs=True) == ""
    assert (
        why_not_recorded(home, OLLAMA, gateway_runs=False)
        == "the gateway does not run: laimark-sidecar gateway"
    )
    assert "what passes the gateway (http://127.0.0.1:12345)" in told(home, OLLAMA)


def test_the_switch_and_a_pause_are_named_with_their_end(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    write_consent(home.recording, Consent().switched_off("off", 1.0).switched_off("pause", 2.0))
    why = why_not_recorded(home, Config(), gateway_runs=True)
    assert "laimark-sidecar logs on" in why
    assert "laimark-sidecar resume" in why
    home.recording.write_bytes(b"{")
    assert "damaged" in why_not_recorded(home, Config(), gateway_runs=True)


@pytest.mark.parametrize(
    ("consent", "kept"),
    [
        (Consent(), True),
        (Consent().with_client("chats", recorded=False), False),
        (Consent().with_model("m", recorded=False), False),
        (Consent().switched_off("off", 0.0).switched_on("off", 9e9), False),
        (Consent().switched_off("off", 5000.0), True),
    ],
)
def test_of_other_programs_logs_all_is_wanted_that_the_user_did_not_refuse(
    ready_home: Home, consent: Consent, kept: bool
) -> None:
    write_consent(ready_home.recording, consent)
    assert wanted(opened(ready_home))(said(1)) is kept


def test_feedback_is_wanted_where_its_time_is(ready_home: Home) -> None:
    write_consent(ready_home.recording, Consent().switched_off("off", 50.0).switched_on("off", 60.0))
    feedback = Feedback(id="f", time_s=55.0, source="chats", exchange_id="e", kind="accept")
    assert not wanted(opened(ready_home))(feedback)
