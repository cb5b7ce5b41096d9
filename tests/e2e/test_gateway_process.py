"""The gateway's process beside others: another gateway of its home, somebody else at its port, and nothing recorded."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway_home import gateway
from tests.support.homes import copy_home, free_port, opened, reconfigure, served
from tests.support.processes import run_command, wait_until
from tests.support.rest import call

from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.journal.reader import read
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.overview import overview
from laimark_sidecar.pipeline.presence import presence


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Give the address of a runner that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def asked_in_vain(url: str) -> Iterator[None]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=50)
    connection.request("POST", "/v1/chat/completions", b'{"model":"base","messages":[]}')
    try:
        yield
    finally:
        connection.close()


def test_a_second_gateway_of_a_home_names_the_first(ready_home: Home) -> None:
    with silent() as url:
        reconfigure(ready_home, "gateway", upstream=url)
        with gateway(ready_home, direct=url, model="base") as front:
            refused = run_command(ready_home, "gateway")
            assert f"laimark-sidecar gateway (pid {front.activity().pid})" in refused.stderr
            assert (refused.returncode != 0, "Traceback" in refused.stderr) == (True, False)
            assert front.activity().pid == front.process.pid


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system does not tell who listens")
def test_who_has_the_port_is_named(ready_root: Path, tmp_path: Path) -> None:
    first, second = (copy_home(ready_root, tmp_path / name / "home") for name in ("first", "second"))
    with silent() as url:
        for home in (first, second):
            reconfigure(home, "gateway", upstream=url)
        with gateway(first, direct=url, model="base") as front:
            reconfigure(second, "gateway", port=int(front.url.rpartition(":")[2]))
            refused = run_command(second, "gateway")
            assert re.search(rf"\(pid {front.process.pid}\) listens there", refused.stderr), refused.stderr
            assert refused.returncode != 0


@pytest.mark.parametrize("recorded", [True, False])
def test_feedback_is_kept_only_where_the_journal_records(ready_home: Home, recorded: bool) -> None:
    reconfigure(ready_home, "journal", record=recorded)
    reconfigure(ready_home, "gateway", upstream=f"http://127.0.0.1:{free_port()}")
    with gateway(ready_home, direct="", model="base") as front:
        said = read(ready_home.journal, None).records[0].id
        body = {"id": said, "kind": "edit", "text": "What it should have been."}
        assert call(front.url, "POST", "/laimark/feedback", body).status == 202
        front.stop()
        kept = [one.exchange_id for one in front.records() if isinstance(one, Feedback)]
    assert kept == ([said] if recorded else [])


def test_a_runner_that_is_idle_by_its_own_account_is_busy_while_the_gateway_waits(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with silent() as url, served(workshop):
        reconfigure(ready_home, "gateway", upstream=url)
        with gateway(ready_home, direct=url, model="base") as front:
            workshop = opened(ready_home)
            assert not presence(workshop).busy
            with asked_in_vain(front.url):
                wait_until(lambda: front.activity().busy, "the gateway has the request")
                assert presence(workshop).state.startswith("busy")
                assert overview(workshop).runner.endswith(", busy")
            wait_until(lambda: not front.activity().busy, "the client's end is seen")
            assert not presence(workshop).busy
