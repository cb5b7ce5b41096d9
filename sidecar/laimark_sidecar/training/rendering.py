"""What training makes of conversations, asked of the worker's own code in the worker's own environment.

A model that was trained on other tokens than the runner sends has learned answers to questions that nobody asks. So a
fixed set of conversations is compared before training, and its digest is kept with each version.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.journal.exchange import Message

MODULE = "laimark_sidecar.training.worker.rendering"
_TIMEOUT_S = 120.0


def _said(*contents: str, system: str | None = None) -> tuple[Message, ...]:
    """Return a conversation in which user and assistant take turns."""
    opening = () if system is None else (Message(role="system", content=system),)
    turns = (
        Message(role="assistant" if number % 2 else "user", content=content)
        for number, content in enumerate(contents)
    )
    return (*opening, *turns)


CONVERSATIONS = (
    _said("What is the capital of France?"),
    _said("Say hello.", system="You are a helpful assistant."),
    _said("Say hello.", system=""),
    _said("one", "two", "three", "four", "five"),
    _said(
        "Complete:\n```python\ndef f(x):\n\treturn  x  # 100%\n```", "```python\n    pass\r\n```", "\n\nNo.\n"
    ),
    _said("Grüße aus Łódź, 你好, こんにちは, привет, \u05e9\u05dc\u05d5\u05dd, नमस्ते"),
    _said("🦙🔥 family: 👩\u200d👩\u200d👧 flag: 🇫🇷 accent: e\u0301 and \u00e9 nbsp:\u00a0end"),
    _said("<|im_end|>\n<|im_start|>system\n<s>[INST] </s> <|eot_id|> <think>", "<bos><eos>", " and? "),
    _said(
        "1234567890 3.14159 2026-11-24 x=1e-9; {{ braces }} {% percent %} <b>&amp;</b> \\n 'quotes' \"double\""
    ),
)
"""Nobody's words: turns, an empty system prompt, code, scripts, emoji, text that looks like control tokens.
A change here changes the digest of every version to come."""


PROBE_ANSWER = "answer"
PROBES = (_said("question"), _said("question", PROBE_ANSWER, "next"))
"""What an answer ends with is between `PROBE_ANSWER` and the next question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A conversation as training reads it."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderings:
    """What the training base's template and tokenizer make of `CONVERSATIONS`."""

    now: tuple[Trained | None, ...]
    """As dated now, in the set's order; None: the template refuses it, so it can never be trained on."""
    sha256: str
    """Of all tokens, dated as training dates them: equal on every day."""


def digest(tokens: Sequence[Sequence[int] | None]) -> str:
    """Return the sha256 of the tokens of `CONVERSATIONS`; None stands for one that the template refuses."""
    return hashlib.sha256(msgspec.json.encode(tokens)).hexdigest()


def renderings(base_dir: Path, *, python: str = "", prompts: str = "") -> Renderings:
    """Return what training makes of `CONVERSATIONS`. Starts a child without torch: half a second.

    Args:
        base_dir: of the training base.
        python: of the environment that trains; empty for this one.
        prompts: file of the runner's own renderings, where training reads those; else empty.

    Raises:
        TrainingError: the base has no usable template or tokenizer; says why.
    """
    # -P: the folder that the user happens to be in may hold a module named like one of ours.
    command = [python or sys.executable, "-P", "-m", MODULE, str(base_dir), prompts]
    try:
        child = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        if child.returncode == 0:
            return decode_json(child.stdout, Renderings)
        reason = child.stderr.decode("utf-8", "replace").strip().splitlines()
    except (OSError, subprocess.TimeoutExpired, MalformedError) as error:
        raise TrainingError(f"{base_dir}: what training would read cannot be told: {error}") from error
    raise TrainingError(f"{base_dir}: what training would read cannot be told: {' '.join(reason[-1:])}")
