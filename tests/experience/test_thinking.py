from __future__ import annotations

import pytest

from laimark_sidecar.experience.thinking import strip_thinking


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>hm</think>\n\nParis", "Paris"),
        ("<thinking>hm</thinking>Paris", "Paris"),
        ("\n<think>a\nb</think>    indented", "    indented"),
        ("opened in the prompt</think>\nParis", "Paris"),
        ("<think>never ends", ""),
        ("Paris", "Paris"),
        ("  x = 1\n", "  x = 1\n"),
        ("Write `</think>` at the end", "Write `</think>` at the end"),
        ("Use <think>x</think> tags", "Use <think>x</think> tags"),
    ],
)
def test_only_leading_thinking_is_taken_away(text: str, rest: str) -> None:
    assert strip_thinking(text) == rest


def test_many_openings_are_read_in_linear_time() -> None:
    assert strip_thinking("<think>" * 200_000) == ""
