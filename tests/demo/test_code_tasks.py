"""Tasks made of source code: fair questions with one right answer."""

from __future__ import annotations

import ast
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.demo.code_tasks import (
    MAX_CONTEXT_CHARS,
    code_lines,
    completions,
    docstrings,
    documented_functions,
    signatures,
)

SOURCE = '''"""Module docstring."""

import os


class Area:
    """A class docstring."""

    # a comment
    def size(self, scale: float) -> float:
        """Return the area in square metres.

        More about it.
        """
        text = """
        not code
        """
        return self.width * self.height * scale  # trailing comment

    def bare(self):
        return os.sep
'''
LINES = SOURCE.splitlines()


def test_only_lines_of_code_are_asked_for() -> None:
    assert [LINES[number].strip() for number in code_lines(SOURCE)] == [
        "import os",
        "class Area:",
        "def size(self, scale: float) -> float:",
        'text = """',
        "return self.width * self.height * scale  # trailing comment",
        "def bare(self):",
        "return os.sep",
    ]


def test_the_answer_is_the_line_that_follows_the_context() -> None:
    for task in completions(SOURCE, rng=Random(1), count=20, context_lines=(2, 8)):
        context = task.prompt.removeprefix("Complete the code:\n```python\n").removesuffix("\n```")
        assert f"{context}\n" in SOURCE
        follows = {
            LINES[end].strip() for end in range(1, len(LINES)) if "\n".join(LINES[:end]).endswith(context)
        }
        assert task.answer in follows


def test_the_same_seed_gives_the_same_tasks_and_no_line_twice() -> None:
    first, second = (completions(SOURCE, rng=Random(3), count=20) for _ in range(2))
    assert first == second
    assert len({task.answer for task in first}) == len(first)


def test_a_long_context_loses_lines_at_its_start() -> None:
    source = "".join(f"name_{number} = {'x' * 60!r}\n" for number in range(40))
    tasks = completions(source, rng=Random(0), count=40, context_lines=(20, 30))
    assert tasks
    for task in tasks:
        context = task.prompt.split("```python\n")[1].removesuffix("\n```")
        assert len(context) <= MAX_CONTEXT_CHARS
        last = int(context.splitlines()[-1].split("_")[1].split()[0])
        assert task.answer.startswith(f"name_{last + 1} ")


def test_documented_functions_become_questions_both_ways() -> None:
    pair = ("def size(self, scale: float) -> float:", "Return the area in square metres.")
    assert documented_functions(SOURCE) == [pair]
    (docstring,), (signature,) = (
        docstrings(SOURCE, rng=Random(0), count=5),
        signatures(SOURCE, rng=Random(0), count=5),
    )
    assert (docstring.answer, signature.answer) == (pair[1], pair[0])
    assert pair[0] in docstring.prompt
    assert pair[1] in signature.prompt


@pytest.mark.parametrize("source", ["", "def (:\n", "x = '''\n", "\tif\n  x\n", "\x00"])
def test_what_does_not_parse_gives_no_tasks(source: str) -> None:
    assert completions(source, rng=Random(0), count=5) == []
    assert docstrings(source, rng=Random(0), count=5) == []


@given(st.text(alphabet="ab=\n \t#'\"()\\:", max_size=120))
def test_no_text_breaks_it(source: str) -> None:
    for task in completions(source, rng=Random(0), count=5, context_lines=(1, 3)):
        assert task.answer == task.answer.strip() != ""
    for signature, _ in documented_functions(source):
        ast.parse(f"{signature} ...")
