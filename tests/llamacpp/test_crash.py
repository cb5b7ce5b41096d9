from __future__ import annotations

import signal

import pytest

from laimark_sidecar.llamacpp.crash import child_environment, explain


@pytest.mark.parametrize(
    ("returncode", "stderr", "reason"),
    [
        (7, b"chatter\nthe reason\n\n", "the reason"),
        (7, b"", "the child process ended with code 7"),
        (-signal.SIGSEGV, b"", "it crashes llama.cpp (SIGSEGV)"),
        (
            -signal.SIGABRT,
            b"/build/ggml.c:1: GGML_ASSERT(a == b) failed\n#0 frame",
            "it crashes llama.cpp (SIGABRT: GGML_ASSERT(a == b) failed)",
        ),
        (-250, b"", "it crashes llama.cpp (signal 250)"),
        (1, b"\xff\xfe", "��"),
    ],
)
def test_reason_is_one_line_without_paths_of_the_build(returncode: int, stderr: bytes, reason: str) -> None:
    assert explain(returncode, stderr) == reason


def test_child_starts_no_debugger() -> None:
    assert child_environment()["GGML_NO_BACKTRACE"] == "1"
