from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support.llama_server import needs_llama_server
from tests.support.rest import chat, open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.idle import (
    Load,
    Observation,
    activity,
    compare,
    loads_of,
    read_metrics,
    wait_until_quiet,
)
from laimark_sidecar.runners.llama_server.router import Router, listed
from laimark_sidecar.runners.runner import Activity

QUIET, BUSY = Load(busy=False, decodes=7), Load(busy=True, decodes=7)
METRICS = (
    "# HELP llamacpp:requests_processing Number\n# TYPE llamacpp:requests_processing gauge\n"
    "llamacpp:requests_processing {}\nllamacpp:requests_deferred {}\nllamacpp:n_decode_total 1.2e+06\n"
)


def test_a_request_that_waits_for_a_slot_is_work() -> None:
    assert read_metrics(METRICS.format(0, 0)) == Load(busy=False, decodes=1_200_000)
    assert read_metrics(METRICS.format(1, 0)).busy
    assert read_metrics(METRICS.format(0, 1)).busy
    with pytest.raises(RunnerError, match="requests_processing"):
        read_metrics("")
    for number in ("1.2.3", "e", "1e999"):
        with pytest.raises(RunnerError, match="no number"):
            read_metrics(METRICS.format(0, 0).replace("1.2e+06", number))


def test_the_first_look_begins_the_quiet() -> None:
    seen, found = compare(None, {"a": QUIET}, 100.0)
    assert found == Activity(busy=False, idle_s=0.0, served=0)
    assert compare(seen, {"a": QUIET}, 130.0)[1] == Activity(busy=False, idle_s=30.0, served=0)


def test_work_between_two_looks_ends_the_quiet_though_nobody_saw_it() -> None:
    last = Observation(decodes={"a": 7}, quiet_since_s=0.0, served=3)
    seen, found = compare(last, {"a": Load(busy=False, decodes=9)}, 100.0)
    assert found == Activity(busy=False, idle_s=0.0, served=4)
    assert seen == Observation(decodes={"a": 9}, quiet_since_s=100.0, served=4)


def test_while_one_answers_nothing_is_idle() -> None:
    last = Observation(decodes={"a": 7}, quiet_since_s=0.0)
    assert compare(last, {"a": BUSY}, 100.0)[1] == Activity(busy=True, idle_s=0.0, served=0)


def test_a_process_that_ended_is_no_work_and_one_that_begins_with_work_done_is() -> None:
    last = Observation(decodes={"a": 7}, quiet_since_s=0.0)
    assert compare(last, {}, 50.0)[1].idle_s == 50.0
    assert compare(last, {"b": Load(busy=False, decodes=0)}, 50.0)[1].idle_s == 50.0
    assert compare(last, {"b": QUIET}, 50.0)[1].idle_s == 0.0


def test_a_clock_that_was_set_back_is_quiet_since_now() -> None:
    assert compare(Observation(quiet_since_s=1000.0), {}, 10.0)[1] == Activity(
        busy=False, idle_s=0.0, served=0
    )


@pytest.mark.parametrize("content", [b"damaged", b'{"decodes": {"\xff": 1}}', b'{"x": ' + b"[" * 100_000])
def test_a_damaged_note_is_made_anew(tmp_path: Path, content: bytes) -> None:
    note = tmp_path / "observed.json"
    activity({"a": QUIET}, note, 100.0)
    note.write_bytes(content)
    assert activity({"a": QUIET}, note, 300.0).idle_s == 0.0
    assert activity({"a": QUIET}, note, 360.0).idle_s == 60.0


@needs_llama_server
def test_the_quiet_is_remembered_from_one_process_to_the_next(running: Running, tmp_path: Path) -> None:
    router = Router(running.settings.url, timeout_s=10)
    note = tmp_path / "observed.json"
    chat(running.settings.url, "me:one", "hello")
    activity(loads_of(router), note, 100.0)
    assert activity(loads_of(router), note, 160.0).idle_s == 60.0
    chat(running.settings.url, "me:one", "hello")
    again = activity(loads_of(router), note, 200.0)
    assert (again.idle_s, again.served) == (0.0, 1)


@needs_llama_server
def test_waiting_ends_with_the_answer_or_with_patience(running: Running) -> None:
    router = Router(running.settings.url, timeout_s=10)
    connection, lines = open_stream(
        running.settings.url, "demo", "go on", max_tokens=900, temperature=5, min_p=0, ignore_eos=True
    )
    next(lines)
    model = listed(router.models(), "demo")
    assert model is not None
    with pytest.raises(RunnerError, match="would cut") as caught:
        wait_until_quiet(router, model, timeout_s=0.05)
    assert "when it is quiet" in caught.value.hint
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(lines), name="reader")
    reader.start()
    wait_until_quiet(router, model, timeout_s=50)
    reader.join(10)
    assert b"data: [DONE]\n" in read
    connection.close()
