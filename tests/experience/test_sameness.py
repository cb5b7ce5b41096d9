from __future__ import annotations

import unicodedata

import pytest

from laimark_sidecar.experience.sameness import only_framed, same, typed_words

ANSWER = 'Here is **the plan** for caf\u00e9 "Luna":\n\n- first `step`\n- second step\t& more\n\nThat is all you need.'
REWRITTEN = {
    "line ends": ANSWER.replace("\n", "\r\n"),
    "decomposed letters": unicodedata.normalize("NFD", ANSWER),
    "curly quotes": ANSWER.replace('"', "\u201d"),
    "Markdown stripped": ANSWER.replace("**", "").replace("`", ""),
    "HTML escaped": ANSWER.replace("&", "&amp;").replace('"', "&quot;"),
    "HTML": ANSWER.replace("**the plan**", "<strong>the plan</strong>"),
    "tabs": ANSWER.replace("\t", "    "),
    "blanks at line ends": ANSWER.replace("\n", "  \n"),
    "blank lines squeezed": ANSWER.replace("\n\n", "\n"),
    "footnote": ANSWER.replace("need.", "need [1]."),
    "no-break space": ANSWER.replace(" ", "\u00a0", 1),
}


@pytest.mark.parametrize("kept", REWRITTEN.values(), ids=REWRITTEN)
def test_an_answer_that_a_program_rewrote_is_the_same_and_nobody_typed_a_word(kept: str) -> None:
    assert same(ANSWER, kept)
    assert typed_words(ANSWER, kept) == frozenset()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = a[0]", "x = a[1]"),
        ("return [1]", "return [2]"),
        ("a*b", "a+b"),
        ("a*b", "a**b"),
        ("2 * 3", "2 ** 3"),
        ("berlin", "Berlin"),
    ],
)
def test_what_means_something_else_is_not_the_same(one: str, other: str) -> None:
    assert not same(one, other)


def test_a_word_that_occurs_once_more_was_typed_and_one_that_moved_was_not() -> None:
    assert typed_words("It is not so and is.", "It is not so and is not.") == {"not"}
    assert typed_words("one two", "two one") == frozenset()
    assert typed_words("as he says", "as he says[1]") == frozenset()


def test_what_stands_around_an_answer_only_frames_it() -> None:
    assert only_framed(ANSWER, f"Hi!\n{ANSWER}\n\n_Sent by bot_")
    assert not only_framed(ANSWER, ANSWER.replace("first", "third"))


@pytest.mark.parametrize("run", [" ", "*", "*a", "<a", "- ", "&", "[1", "[1]", "\n", "> "])
def test_a_very_long_run_of_marks_is_read(run: str) -> None:
    assert same(f"a{run * 200_000}b", f"a{run * 200_000}b ".replace("\n", "\r\n"))
    assert not same(f"a{run * 200_000}b", f"a{run * 200_000}c")
