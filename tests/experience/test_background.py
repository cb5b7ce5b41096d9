from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.experience.background import is_background
from laimark_sidecar.journal.exchange import Message


@pytest.mark.parametrize(
    "prompt",
    [
        "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Guidelines:",
        "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history",
        "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next",
        "### Task:\nYou are an autocompletion system. Continue the text in `<text>`",
        "### Task:\nAnalyze the chat history to determine the necessity of generating search queries",
        "Generate a concise 3-7 word title for this conversation, omitting punctuation.",
        "Provide a concise, 5-word-or-less title for the conversation, using title case",
        "<|fim_prefix|>def f(<|fim_suffix|>):<|fim_middle|>",
        "<PRE> def f( <SUF>): <MID>",
    ],
)
def test_a_client_s_own_request_is_recognised(prompt: str) -> None:
    assert is_background([Message(role="system", content="s"), Message(role="user", content=prompt)])


@pytest.mark.parametrize(
    "prompt",
    [
        "Suggest a title for my novel about bees",
        "Generate a short title for this blog post:\n...",
        "### Task:\nSort this list",
        "What does <|fim_prefix|> mean?",
        "Write a short story about a conversation",
        "",
    ],
)
def test_a_user_s_request_is_not(prompt: str) -> None:
    assert not is_background([Message(role="user", content=prompt)])


def test_no_messages_are_nobody_s_background() -> None:
    assert not is_background([])


def test_every_labelled_request_is_told_from_a_user_s() -> None:
    rows = (Path(__file__).parents[1] / "data" / "turns_background.jsonl").read_text("utf-8").splitlines()
    requests = [json.loads(row) for row in rows]
    wrong = [
        one["prompt"]
        for one in requests
        if is_background([Message(role="user", content=one["prompt"])]) != one["background"]
    ]
    assert wrong == []
    assert len(requests) >= 60
