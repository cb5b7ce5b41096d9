from __future__ import annotations

from dataclasses import replace

from tests.support.homes import correction, exchange
from tests.support.questions import TIME_S, question, said

from laimark_sidecar.experience.candidate import split_of
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.pipeline.core_questions import own_questions
from laimark_sidecar.pipeline.workshop import Workshop


def own(workshop: Workshop) -> list[str]:
    with workshop.store() as store:
        return [one.prompt for one in own_questions(workshop, store)]


def test_first_questions_that_taught_nothing_are_taken(asked_home: tuple[Workshop, list[str]]) -> None:
    workshop, texts = asked_home
    assert own(workshop) == texts
    with workshop.store() as store:
        found = next(own_questions(workshop, store))
    assert (found.language, found.domain, found.record) == ("en", "text", found.id.removeprefix("own-"))


def test_what_taught_judges_holds_a_secret_or_is_a_stranger_s_is_not_taken(
    asked_home: tuple[Workshop, list[str]],
) -> None:
    workshop, texts = asked_home
    share = workshop.config.replay.heldout_share
    texts_that_judge = (f"Judge the {number} of this" for number in range(100))
    judging = next(
        text
        for text in texts_that_judge
        if split_of((Message(role="user", content=text),), share) == "heldout"
    )
    first, _ = correction(1)  # its conversation brought a lesson
    longer = exchange(
        (
            Message(role="user", content="Hello to you"),
            Message(role="assistant", content="Hi"),
            Message(role="user", content="And what now?"),
        ),
        "Nothing.",
        TIME_S + 900,
    )
    said(
        workshop.home,
        question(judging, number=100),
        question("My password is hunter2-Xk29!vQz, what is the weather?", number=101),
        question("What does a stranger want of this?", source="somebody", number=102),
        question("x" * 2000, number=103),
        question(" \n", number=104),
        replace(first, time_s=TIME_S + 105),
        longer,
    )
    assert own(workshop) == texts


def test_lines_that_are_no_records_are_passed_over(asked_home: tuple[Workshop, list[str]]) -> None:
    workshop, texts = asked_home
    segment = max(workshop.home.journal.glob("*.jsonl"))
    segment.write_bytes(b'torn {\n\xff\xfe\n{"id": 1}\n' + segment.read_bytes() + b'{"id":"half')
    assert own(workshop) == texts
