"""Feedback is read as the embedded runner reads it, and finds its exchange by either of its names."""

from __future__ import annotations

import json

from laimark_sidecar.gateway.feedback import LONGEST_TEXT_BYTES, About, Given, Recent, exchange_id_in
from laimark_sidecar.gateway.observing import Told
from laimark_sidecar.journal.exchange import Exchange, Feedback

ID = "0123456789abcdef" * 2

SERVERS_ID = "chatcmpl-a1B2c3D4e5F6g7H8"


def exchange(number: int) -> Exchange:
    return Exchange(
        id=f"{number:032x}",
        time_s=float(number),
        source="gateway",
        client="curl",
        model="m",
        base_sha256="",
        adapter_version="",
        messages=(),
        answer="A.",
        finish="stop",
    )


def test_feedback_is_a_record_of_the_journal() -> None:
    given = Given.read(b'{"id": "chatcmpl-1", "kind": "edit", "text": "Better."}')

    assert isinstance(given, Given)
    record = given.record(ID, 5.0)
    assert record == Feedback(
        id=record.id, time_s=5.0, source="gateway", exchange_id=ID, kind="edit", text="Better."
    )
    assert record.id != given.record(ID, 6.0).id


def test_exchange_is_found_by_its_id_and_by_the_servers() -> None:
    recent = Recent()
    recent.add(exchange(1), SERVERS_ID)

    about = About(exchange_id=exchange(1).id, model="m")
    assert recent.find(exchange(1).id) == recent.find(SERVERS_ID) == about


def test_an_older_exchange_is_looked_for_by_its_id_and_not_by_a_servers() -> None:
    for name in (ID, f"chatcmpl-{ID}", f"cmpl-{ID}"):
        assert Recent().find(name) is None
        assert exchange_id_in(name) == ID
    assert exchange_id_in("chatcmpl-1") == ""


def test_text_that_is_no_edit_of_an_answer_is_refused() -> None:
    given = {"id": ID, "kind": "edit", "text": "\u00e9" * (LONGEST_TEXT_BYTES // 2)}
    assert isinstance(Given.read(json.dumps(given).encode()), Given)
    told = Given.read(json.dumps(given | {"text": f"{given['text']}x"}).encode())
    assert isinstance(told, Told)
    assert told.status == 413


def test_only_the_newest_are_remembered() -> None:
    recent = Recent(most=4)
    for number in range(5):
        recent.add(exchange(number), f"{SERVERS_ID}{number}")

    assert [recent.find(f"{SERVERS_ID}{number}") is not None for number in range(5)] == [False] * 3 + [
        True
    ] * 2


def test_answers_without_a_name_are_found_by_the_exchanges_only() -> None:
    recent = Recent()
    recent.add(exchange(1), "")

    assert recent.find("") is None


def test_an_id_that_could_be_guessed_or_that_two_answers_share_is_nobodys() -> None:
    recent = Recent()
    recent.add(exchange(1), "chatcmpl-34")
    assert recent.find("chatcmpl-34") is None
    recent.add(exchange(1), SERVERS_ID)
    recent.add(exchange(2), SERVERS_ID)
    assert recent.find(SERVERS_ID) is None
    assert recent.find(exchange(2).id) is not None
