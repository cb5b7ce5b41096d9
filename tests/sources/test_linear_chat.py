from __future__ import annotations

from laimark_sidecar.sources.linear_chat import Place, Version, exchanges


def place(role: str, *texts: str, chosen: int = 0, s: float = 10.0) -> Place:
    versions = tuple(Version(text=text, time_s=s) for text in texts)
    return Place(role="user" if role == "user" else "assistant", versions=versions, chosen=chosen)


def told(*places: Place, since_s: float = 0.0) -> list[tuple[str, list[str]]]:
    found = exchanges(places, source="s", since_s=since_s)
    return [(one.answer, [message.content for message in one.messages]) for one in found]


def test_the_chat_follows_the_chosen_version_and_the_others_are_told_before_it() -> None:
    assert told(
        place("user", "Hi"),
        place("assistant", "a", "b", "c", chosen=1),
        place("user", "On"),
        place("assistant", "d"),
    ) == [("a", ["Hi"]), ("c", ["Hi"]), ("b", ["Hi"]), ("d", ["Hi", "b", "On"])]


def test_a_greeting_that_nobody_asked_for_is_history_and_no_answer() -> None:
    assert told(place("assistant", "Welcome"), place("user", "Hi"), place("assistant", "Ho")) == [
        ("Ho", ["Welcome", "Hi"])
    ]


def test_only_what_is_new_is_told() -> None:
    chat = (
        place("user", "Hi"),
        place("assistant", "old"),
        place("user", "On"),
        place("assistant", "new", s=20.0),
    )
    assert told(*chat, since_s=15.0) == [("new", ["Hi", "old", "On"])]


def test_an_empty_answer_is_none() -> None:
    assert told(place("user", "Hi"), place("assistant", " \n")) == []
