"""The server as a process of its own: signals, and what is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.runners.embedded.conftest import read_journal
from tests.support.rest import call, chat, open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.runners.embedded.serve import serve, serving
from laimark_sidecar.runners.embedded.settings import ServeSettings

PROGRAM = """
import resource, sys
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
from pathlib import Path
from laimark_sidecar.runners.embedded.serve import serve
from laimark_sidecar.runners.embedded.settings import ServeSettings
serve(
    ServeSettings(base_path=Path(sys.argv[1]), base_name="demo", port=0, threads=1, journal_folder=Path(sys.argv[2])),
    on_ready=lambda url: print(url, flush=True),
)
print("returned", flush=True)
"""


@contextlib.contextmanager
def _process(base: Path, journal: Path, *limit: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(base), str(journal), *limit],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()


def test_sigterm_ends_a_long_stream_cleanly_and_records_it_as_aborted(
    demo_gguf: Path, tmp_path: Path
) -> None:
    with _process(demo_gguf, tmp_path / "journal") as (child, url):
        # Ten answers queue up behind each other: no server could end them all within its grace.
        streams = [
            open_stream(
                url, "demo", "go on for ever", max_tokens=1900, temperature=5, seed=seed, top_k=0, top_p=1
            )
            for seed in range(10)
        ]
        next(streams[0][1])
        child.send_signal(signal.SIGTERM)
        tails = [b"".join(lines) for _, lines in streams]
        child.wait(timeout=30)
        for connection, _ in streams:
            connection.close()
        assert child.stdout is not None
        assert child.stdout.read().strip() == "returned"
        assert child.returncode == 0
    assert all(tail.rstrip().endswith(b"data: [DONE]") for tail in tails)
    finishes = [
        record.finish for record in read_journal(tmp_path / "journal") if isinstance(record, Exchange)
    ]
    assert len(finishes) == 10
    assert "aborted" in finishes


def test_sigkill_leaves_a_readable_journal(demo_gguf: Path, tmp_path: Path) -> None:
    with _process(demo_gguf, tmp_path / "journal") as (child, url):
        answers = [chat(url, "demo", f"question {number}").json()["id"] for number in range(3)]
        child.kill()
        child.wait()
    assert ["chatcmpl-" + record.id for record in read_journal(tmp_path / "journal")] == answers


def test_chat_goes_on_when_the_journal_cannot_grow(demo_gguf: Path, tmp_path: Path) -> None:
    # A limit on file size fails the write as a full disk does.
    with _process(demo_gguf, tmp_path / "journal", "100") as (child, url):
        answers = [chat(url, "demo", "hi"), chat(url, "demo", "hi", stream=True)]
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)
        assert child.stderr is not None
        log = child.stderr.read()
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].events()
    assert log.count("conversation not recorded") == 1
    assert read_journal(tmp_path / "journal") == []


def test_taken_port_is_an_error_that_says_what_to_do(settings: Callable[..., ServeSettings]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(RunnerError, match="cannot listen") as caught:
            serve(settings(port=other.getsockname()[1]))
    assert "another port" in caught.value.hint


def test_base_that_does_not_load_is_an_error_not_a_server(
    settings: Callable[..., ServeSettings], tmp_path: Path
) -> None:
    with pytest.raises(RunnerError, match="does not exist"):
        serve(settings(base_path=tmp_path / "none.gguf"))


def test_ipv6_loopback_works(settings: Callable[..., ServeSettings]) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with serving(settings(host="::1")) as url:
        assert call(url, "GET", "/health").status == 200
