from __future__ import annotations

import pytest

from laimark_sidecar.experience.fences import domain, fences


def test_a_block_is_cut_out_without_its_fences() -> None:
    text = "Look:\n```py\n    a\n\nb\n```\nend"
    (fence,) = fences(text)
    assert text[fence.body_start : fence.body_end] == "    a\n\nb"
    assert text[fence.start : fence.end] == "```py\n    a\n\nb\n```"
    assert fence.language == "python"


def test_an_empty_block_has_an_empty_body() -> None:
    text = "```\n```"
    (fence,) = fences(text)
    assert text[fence.body_start : fence.body_end] == ""


def test_a_block_that_is_not_closed_is_none() -> None:
    assert fences("```python\nx = 1\n") == ()
    assert len(fences("```\na\n```\n```python\nx")) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", "text"),
        ("```\nx\n```", "text"),
        ("```text\nx\n```", "text"),
        ("```{.weird}\nx\n```", "text"),
        ("```JS\nx\n```", "code:javascript"),
        ("```python title=a.py\nx\n```", "code:python"),
        ("```python\nx\n```\n```sql\ny\n```", "code:sql"),
        ("inline ```python``` only", "text"),
    ],
)
def test_the_domain_is_the_last_language_named(text: str, expected: str) -> None:
    assert domain(text) == expected
