from __future__ import annotations

from laimark_sidecar.bench.questions import PromptMemory, Question, code_of, inlined
from laimark_sidecar.demo.code_tasks import completion_prompt


def asked(code: str, answer: str = "") -> Question:
    return Question(prompt=completion_prompt(code), answer=answer, answer_ids=())


PAST = (asked("open_door()", "close_door()"), asked("read_file()", "close_file()"), asked("x = 1", "y = 2"))


def test_recent_corrections_stand_before_the_question_as_turns() -> None:
    messages = PromptMemory(kind="recent", past=PAST, shots=2).messages(asked("read_file(1)"))
    assert [message.role for message in messages] == ["user", "assistant"] * 2 + ["user"]
    assert [messages[1].content, messages[3].content] == ["close_file()", "y = 2"]


def test_the_most_similar_correction_stands_next_to_the_question() -> None:
    messages = PromptMemory(kind="similar", past=PAST, shots=2).messages(asked("read_file(1)"))
    assert messages[-2].content == "close_file()"


def test_inlined_corrections_are_code_above_the_code() -> None:
    (message,) = PromptMemory(kind="inline", past=PAST, shots=1).messages(asked("read_file(1)"))
    assert code_of(str(message.content)) == "read_file()\nclose_file()\n\nread_file(1)"


def test_another_kind_of_question_is_left_as_it_is() -> None:
    assert inlined("Write the docstring", PAST) == "Write the docstring"


def test_without_a_past_the_bare_question_is_asked() -> None:
    (message,) = PromptMemory(kind="recent", past=(), shots=3).messages(PAST[0])
    assert message.content == PAST[0].prompt
