"""Python source becomes small chat tasks: complete a line, write a docstring, write a signature.

The demo base is trained on these tasks, the scripted user of the demo asks them about its own code base and
the benchmarks score them, so prompts and answers are built here and nowhere else. The functions are pure: the
same source and the same state of ``rng`` give the same tasks. Only the standard library is used.

A completion prompt, whose answer is the next non-blank line without the white space around it::

    Complete the code:
    ```python
    def area(self):
        width, height = self.size
    ```
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

TaskKind = Literal["complete", "docstring", "signature"]

MAX_ANSWER_CHARS = 120
MAX_CONTEXT_CHARS = 800
MAX_SIGNATURE_CHARS = 300
MIN_DOCSTRING_CHARS = 8

_LAYOUT = frozenset({tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.NEWLINE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question about code with its gold answer.

    Attributes:
        kind: What is asked.
        prompt: Content of the user's message.
        answer: Content of the assistant's message: one line without white space around it.
    """

    kind: TaskKind
    prompt: str
    answer: str


def completion_prompt(context: str) -> str:
    """Return the message that asks for the line after ``context``."""
    return f"Complete the code:\n```python\n{context}\n```"


def docstring_prompt(signature: str) -> str:
    """Return the message that asks for the first docstring line of a function."""
    return f"Write the docstring for this function:\n```python\n{signature}\n```"


def signature_prompt(docstring: str) -> str:
    """Return the message that asks for the ``def`` line that fits a docstring line."""
    return f'Write the signature for this docstring:\n"""{docstring}"""'


def completions(
    source: str,
    *,
    rng: Random,
    count: int,
    context_lines: tuple[int, int] = (4, 30),
    max_context_chars: int = MAX_CONTEXT_CHARS,
) -> list[Task]:
    """Ask for up to ``count`` different lines of ``source``, each after a context of random length.

    Only lines of code are asked for, never comments or the inside of strings: nobody has a completion model
    write those, and no model can guess them. The context keeps its indentation and the blank lines at its end.

    Args:
        source: Text of a Python module. Text that does not tokenise gives no tasks.
        rng: Chooses the lines and the lengths.
        count: The most tasks to return; fewer where the source has fewer lines.
        context_lines: Least and most lines of context.
        max_context_chars: The context loses lines at its start until it is no longer than this.

    Returns:
        Tasks of kind ``"complete"`` in random order.
    """
    shortest, longest = context_lines
    lines = source.splitlines()
    candidates = [line for line in code_lines(source) if line >= shortest]
    tasks: list[Task] = []
    for target in rng.sample(candidates, len(candidates)):
        if len(tasks) >= count:
            break
        start = max(0, target - rng.randint(shortest, longest))
        context = _fitting_tail(lines[start:target], max_context_chars)
        answer = lines[target].strip()
        if context and len(answer) <= MAX_ANSWER_CHARS and "```" not in context:
            tasks.append(Task(kind="complete", prompt=completion_prompt(context), answer=answer))
    return tasks


def docstrings(source: str, *, rng: Random, count: int) -> list[Task]:
    """Ask for the first docstring lines of up to ``count`` functions of ``source``, in random order."""
    tasks = [
        Task(kind="docstring", prompt=docstring_prompt(signature), answer=docstring)
        for signature, docstring in documented_functions(source)
    ]
    return rng.sample(tasks, min(count, len(tasks)))


def signatures(source: str, *, rng: Random, count: int) -> list[Task]:
    """Ask for the ``def`` lines of up to ``count`` documented functions of ``source``, in random order."""
    tasks = [
        Task(kind="signature", prompt=signature_prompt(docstring), answer=signature)
        for signature, docstring in documented_functions(source)
        if "\n" not in signature and len(signature) <= MAX_ANSWER_CHARS
    ]
    return rng.sample(tasks, min(count, len(tasks)))


def code_lines(source: str) -> list[int]:
    """Return the indexes, from 0, of the lines that hold code.

    Blank lines, comments, docstrings and the inside of multi-line strings are left out. A source that does
    not tokenise has no lines of code.
    """
    lines = source.splitlines()
    found: list[int] = []
    seen = -1
    starts_statement = True
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            if token.type not in _LAYOUT and token.type != tokenize.COMMENT:
                row, column = token.start
                is_docstring = token.type == tokenize.STRING and starts_statement
                if row > seen and not is_docstring and not lines[row - 1][:column].strip():
                    found.append(row - 1)
                seen = token.end[0]
                starts_statement = False
            elif token.type == tokenize.NEWLINE:
                starts_statement = True
    except (tokenize.TokenError, SyntaxError, IndexError):
        return []
    return found


def documented_functions(source: str) -> list[tuple[str, str]]:
    """Return ``(signature, first docstring line)`` of every documented function, in source order.

    The signature runs from ``def`` to its colon without the indentation of its first line; decorators and the
    body are left out. Functions whose signature or docstring line is too long or too short to be a fair
    question are skipped. A source that does not parse has none.
    """
    lines = source.splitlines()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return []
    return sorted(set(_documented(tree, lines)), key=lambda pair: source.find(pair[0]))


def _documented(tree: ast.Module, lines: list[str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = (ast.get_docstring(node) or "").partition("\n")[0].strip()
        signature = _dedented(lines[node.lineno - 1 : node.body[0].lineno - 1])
        if not signature.endswith(":") or len(signature) > MAX_SIGNATURE_CHARS:
            continue
        if MIN_DOCSTRING_CHARS <= len(docstring) <= MAX_ANSWER_CHARS and '"""' not in docstring:
            yield signature, docstring


def _fitting_tail(lines: list[str], max_chars: int) -> str:
    """Join the last lines that fit, without blank lines at the start."""
    start = len(lines)
    size = -1
    while start > 0 and size + 1 + len(lines[start - 1]) <= max_chars:
        start -= 1
        size += 1 + len(lines[start])
    while start < len(lines) and not lines[start].strip():
        start += 1
    return "\n".join(lines[start:])


def _dedented(lines: list[str]) -> str:
    """Join the lines after taking the first line's indentation from each of them."""
    if not lines:
        return ""
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines).strip()
