"""Work is done in order on one thread; what may wait is bounded; a bug in one piece does not end the rest."""

from __future__ import annotations

import threading

from laimark_sidecar.gateway.backlog import Backlog


def unexpected(error: Exception) -> None:
    raise error


def test_tasks_are_done_in_order_on_a_thread_of_their_own() -> None:
    backlog = Backlog(complain=unexpected)
    done: list[tuple[int, str]] = []
    for number in range(100):
        backlog.put(lambda number=number: done.append((number, threading.current_thread().name)))  # type: ignore[misc]

    assert backlog.close(timeout_s=30)
    assert done == [(number, "gateway-recorder") for number in range(100)]


def test_memory_is_granted_up_to_the_bound_and_again_when_given_back() -> None:
    backlog = Backlog(complain=unexpected, held_bytes=10)

    assert backlog.take(6)
    assert not backlog.take(5)
    assert backlog.take(4)
    backlog.give(6)
    assert backlog.take(6)
    assert backlog.close(timeout_s=30)


def test_bug_in_one_task_is_told_and_the_next_is_done() -> None:
    bugs: list[Exception] = []
    backlog = Backlog(complain=bugs.append)
    done: list[str] = []

    def broken() -> None:
        raise KeyError("bug")

    backlog.put(broken)
    backlog.put(lambda: done.append("next"))

    assert backlog.close(timeout_s=30)
    assert done == ["next"]
    assert [repr(bug) for bug in bugs] == ["KeyError('bug')"]


def test_closing_does_not_wait_longer_than_it_may() -> None:
    backlog = Backlog(complain=unexpected)
    release = threading.Event()

    def waiting() -> None:
        release.wait(30)

    backlog.put(waiting)

    assert not backlog.close(timeout_s=0.01)
    release.set()
