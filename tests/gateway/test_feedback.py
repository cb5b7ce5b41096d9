"""Feedback is read as the embedded runner reads it, and finds its exchange by either of its names."""

from __future__ import annotations

from laimark_sidecar.gateway.feedback import About, Given, Recent
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


def test_id_of_an_exchange_is_known_though_it_is_forgotten_and_a_servers_is_not() -> None:
    recent = Recent()

    for name in (ID, f"chatcmpl-{ID}", f"cmpl-{ID}"):
        assert recent.find(name) == About(exchange_id=ID, model="")
    assert recent.find("chatcmpl-1") is None


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
