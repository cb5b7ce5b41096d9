from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.curriculum.core_mix import CorePrompt, mixed, split_of_words


def shipped(language: str, prompt: str) -> CorePrompt:
    return CorePrompt(id=prompt, split="train", language=language, domain="chat", prompt=prompt)


def own(prompt: str, number: int = 0) -> CorePrompt:
    name = f"{prompt}-{number}"
    return CorePrompt(
        id=name, split=split_of_words(prompt), language="", domain="text", prompt=prompt, record=name
    )


SHIPPED = (shipped("en", "Good morning"), shipped("de", "Guten Tag"), shipped("fr", "Bonjour"))
GERMAN = "Was ist das und wie geht es mit der Sache?"


def test_everything_that_is_shipped_stays_beside_the_user_s_own() -> None:
    assert set(mixed(SHIPPED, [], most_own=9)) == set(SHIPPED)
    assert set(mixed(SHIPPED, [own(GERMAN)], most_own=9)) == {*SHIPPED, own(GERMAN)}


def test_the_first_of_them_are_a_mixture() -> None:
    many = [shipped("en", f"Prompt number {number}") for number in range(100)]
    asked = [own(f"{number} of mine, which I asked") for number in range(100)]
    first = mixed(many, asked, most_own=100)[:60]
    assert 15 < sum(1 for one in first if one.record) < 45


def test_the_same_words_are_taken_once_and_the_shipped_before_the_user_s() -> None:
    asked = [own("good  MORNING"), own(GERMAN), own(GERMAN.upper(), 1)]
    kept = mixed(SHIPPED, asked, most_own=9)
    assert len([one for one in kept if one.record]) == 1
    assert not any(one.record for one in kept if one.prompt.lower().startswith("good"))


def test_a_near_copy_is_left_out_and_another_number_is_no_copy() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    assert len(mixed((), [own(text), own(text + " again")], most_own=9)) == 1
    assert len(mixed((), [own("What is 17 * 24?"), own("What is 18 * 24?")], most_own=9)) == 2


@given(st.sets(st.text(min_size=1), max_size=30), st.integers(0, 10))
def test_no_more_than_asked_for_and_the_same_again(prompts: set[str], most: int) -> None:
    asked = [own(prompt) for prompt in sorted(prompts)]
    kept = mixed(SHIPPED, asked, most_own=most)
    assert sum(1 for one in kept if one.record) <= most
    assert mixed(SHIPPED, reversed(asked), most_own=most) == kept


@given(st.text())
def test_a_question_never_changes_sides(prompt: str) -> None:
    assert split_of_words(prompt) == split_of_words(f"  {prompt}\n")
