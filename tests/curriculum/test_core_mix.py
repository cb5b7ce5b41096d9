from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.curriculum.core_mix import CorePrompt, mixed


def shipped(language: str, prompt: str) -> CorePrompt:
    return CorePrompt(id=prompt, language=language, domain="chat", prompt=prompt)


def own(prompt: str, number: int = 0) -> CorePrompt:
    name = f"{prompt}-{number}"
    return CorePrompt(id=name, language="", domain="text", prompt=prompt, record=name)


SHIPPED = (shipped("en", "Good morning"), shipped("de", "Guten Tag"), shipped("fr", "Bonjour"))
GERMAN = "Was ist das und wie geht es mit der Sache?"


def test_everything_that_is_shipped_stays_and_the_user_s_own_follow() -> None:
    assert mixed(SHIPPED, [], most_own=9) == SHIPPED
    assert [one.prompt for one in mixed(SHIPPED, [own(GERMAN)], most_own=9)[3:]] == [GERMAN]


def test_the_same_words_are_taken_once_and_the_shipped_first() -> None:
    asked = [own("good  MORNING"), own(GERMAN), own(GERMAN.upper(), 1)]
    kept = mixed(SHIPPED, asked, most_own=9)
    assert len([one for one in kept if one.record]) == 1
    assert kept[0].record == ""


@given(st.sets(st.text(min_size=1), max_size=30), st.integers(0, 10))
def test_no_more_than_asked_for_and_the_same_again(prompts: set[str], most: int) -> None:
    asked = [own(prompt) for prompt in sorted(prompts)]
    kept = mixed(SHIPPED, asked, most_own=most)
    assert sum(1 for one in kept if one.record) <= most
    assert mixed(SHIPPED, reversed(asked), most_own=most) == kept


@given(st.text())
def test_a_prompt_never_changes_sides(prompt: str) -> None:
    assert own(prompt).split == own(prompt, 7).split
