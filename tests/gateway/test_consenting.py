from __future__ import annotations

from pathlib import Path

from laimark_sidecar.gateway.consenting import Consenting
from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.journal.consent import Consent, write_consent
from laimark_sidecar.journal.consent_file import ConsentFile

HEAD = Head(headers=(), method="POST", target="/api/chat")


def asked(consenting: Consenting, model: str = "mine", client: str = "curl", *, since_s: float = 9.0) -> bool:
    return consenting(model=model, client=client, head=HEAD, since_s=since_s)


def test_own_models_are_recorded_of_every_client_until_the_user_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    consenting = Consenting(consent=ConsentFile(path), record=True, is_own=lambda model: model == "mine")
    assert asked(consenting)
    assert not asked(consenting, model="other")
    write_consent(path, Consent().with_model("other", recorded=True).with_client("curl", recorded=False))
    assert asked(consenting, model="other", client="ollama")
    assert not asked(consenting)
    write_consent(path, Consent().switched_off("pause", 1.0))
    assert not asked(consenting)
    path.write_bytes(b"damaged")
    assert not asked(consenting)


def test_the_master_switch_wins(tmp_path: Path) -> None:
    consent = ConsentFile(tmp_path / "recording.json")
    on = Consenting(consent=consent, record=True, is_own=lambda model: True)
    off = Consenting(consent=consent, record=False, is_own=lambda model: True)
    assert (on.on, asked(on), off.on, asked(off)) == (True, True, False, False)


def test_what_began_before_recording_was_on_again_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    consenting = Consenting(consent=ConsentFile(path), record=True, is_own=lambda model: True)
    write_consent(path, Consent().switched_off("off", 10.0).switched_on("off", 20.0))
    assert [asked(consenting, since_s=since_s) for since_s in (5.0, 15.0, 20.0)] == [False, False, True]


def test_a_no_to_any_name_is_a_no_where_one_model_answers_to_all(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    write_consent(path, Consent().with_model("demo", recorded=False))
    file = ConsentFile(path)
    for one_model, recorded in ((True, False), (False, True)):
        consenting = Consenting(consent=file, record=True, is_own=lambda model: True, one_model=one_model)
        assert asked(consenting, model="gpt-4") is recorded
        assert not asked(consenting, model="demo")
