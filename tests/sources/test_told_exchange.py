from __future__ import annotations

from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.sources.told_exchange import told_exchange, told_feedback


def told(time_s: float, answer: str = "Ho") -> Exchange:
    return told_exchange(
        source="s",
        time_s=time_s,
        model="m",
        messages=(Message(role="user", content="Hi"),),
        answer=Message(role="assistant", content=answer),
    )


def test_the_same_exchange_told_later_is_the_same() -> None:
    assert told(1.0).id == told(2.0).id
    assert told(1.0).id != told(1.0, "Hm").id


def test_feedback_is_about_its_exchange_and_known_by_what_it_says() -> None:
    accepted = told_feedback(told(1.0), "accept")
    assert accepted.exchange_id == told(2.0).id
    assert accepted.id == told_feedback(told(2.0), "accept").id
    assert accepted.id != told_feedback(told(1.0), "reject").id
