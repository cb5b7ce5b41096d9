from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.consent import Consent, read_consent, write_consent


def test_without_a_file_the_models_of_this_home_are_recorded(tmp_path: Path) -> None:
    consent = read_consent(tmp_path / "recording.json")
    assert consent.on
    assert consent.covers_model("me:latest", {"me:latest"})
    assert not consent.covers_model("other", {"me:latest"})
    assert consent.covers_client("curl")


def test_what_was_set_comes_back(tmp_path: Path) -> None:
    consent = (
        Consent().switched_off("off", 5.0).with_model("m", recorded=True).with_client("c", recorded=False)
    )
    write_consent(tmp_path / "recording.json", consent)
    assert read_consent(tmp_path / "recording.json") == consent


def test_recording_is_on_when_no_reason_against_it_lasts() -> None:
    both = Consent().switched_off("off", 10.0).switched_off("pause", 20.0)
    assert both.reasons() == ("off", "pause")
    assert both.switched_off("off", 25.0) == both
    resumed = both.switched_on("pause", 30.0)
    assert not resumed.on
    assert resumed.switched_on("off", 40.0).on


def test_what_was_said_while_it_was_off_stays_unrecorded() -> None:
    consent = Consent().switched_off("off", 10.0).switched_on("off", 20.0)
    assert [consent.covers_time(s) for s in (9.9, 10.0, 19.9, 20.0)] == [True, False, False, True]


def test_a_clock_that_was_set_back_ends_no_time_before_it_began() -> None:
    consent = Consent().switched_off("off", 10.0).switched_on("off", 3.0)
    assert consent.on
    assert consent.covers_time(5.0)


def test_a_rule_for_a_program_holds_for_everybody_who_uses_it() -> None:
    consent = Consent().with_client("open-webui", recorded=False)
    assert not consent.covers_client("open-webui/ada")
    assert consent.covers_client("open")
    only_ada = Consent().with_client("open-webui/ada", recorded=False)
    assert only_ada.covers_client("open-webui/bob")


def test_a_rule_for_a_model_wins_over_whose_it_is() -> None:
    consent = Consent().with_model("mine", recorded=False).with_model("foreign", recorded=True)
    assert not consent.covers_model("mine", {"mine"})
    assert consent.covers_model("foreign", {"mine"})


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"off":3}', b'{"version":99}'])
def test_what_cannot_be_read_is_an_error_and_never_a_yes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recording.json").write_bytes(content)
    with pytest.raises(StateError, match=r"recording\.json"):
        read_consent(tmp_path / "recording.json")


@pytest.mark.parametrize(
    ("rule", "model"),
    [
        ("demo", "demo:latest"),
        ("demo", "Demo"),
        ("demo:latest", " demo"),
        ("me:latest", "ME:latest"),
        ("me:latest", "me"),
        ("llama3", "registry.ollama.ai/library/llama3:latest"),
    ],
)
def test_a_no_holds_for_every_spelling_of_a_models_name(rule: str, model: str) -> None:
    assert not Consent().with_model(rule, recorded=False).covers_model(model, {model})
    assert Consent().with_model(rule, recorded=True).covers_model(model, set())


def test_a_request_without_a_model_is_recorded_only_where_none_is_refused() -> None:
    assert Consent().covers_model("", {""})
    assert Consent().with_model("a", recorded=True).covers_model("", {""})
    assert not Consent().with_model("a", recorded=False).covers_model("", {""})


@pytest.mark.parametrize("rule", ["Open-WebUI", "open-webui/0.6.5", "OPEN-WEBUI/v1", "Open WebUI"])
def test_a_client_may_be_written_as_it_calls_itself(rule: str) -> None:
    assert not Consent().with_client(rule, recorded=False).covers_client("open-webui")
    assert not Consent().with_client("curl/8.5.0", recorded=False).covers_client("curl")


def test_another_spelling_replaces_a_rule() -> None:
    consent = Consent().with_model("demo", recorded=False).with_model("Demo:latest", recorded=True)
    assert consent.models == {"demo:latest": True}
    consent = Consent().with_client("curl/8.5", recorded=False).with_client("CURL", recorded=True)
    assert consent.clients == {"curl": True}


def test_rules_that_were_written_by_hand_hold_too() -> None:
    consent = Consent(models={"Demo": False}, clients={"Curl/8": False})
    assert not consent.covers_model("demo:latest", {"demo:latest"})
    assert not consent.covers_client("curl")


def test_recording_was_on_all_the_time_since_it_was_last_switched_on() -> None:
    consent = Consent().switched_off("off", 10.0).switched_on("off", 20.0)
    assert not consent.unbroken_since(5.0)  # off in between
    assert not consent.unbroken_since(19.9)
    assert consent.unbroken_since(20.0)
    assert not consent.switched_off("pause", 30.0).unbroken_since(40.0)
