from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from laimark_sidecar import logs


@pytest.fixture(autouse=True)
def restored_logger() -> Iterator[None]:
    """`configure` acts on the process; other tests want the logger as it was."""
    logger = logging.getLogger("laimark_sidecar")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def test_a_line_for_people_has_level_action_and_message_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logging.getLogger("laimark_sidecar.x").info("%d items", 3, extra=logs.action("ingest.done"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split()[1:] == ["info", "ingest.done", "3", "items"]


def test_a_json_line_parses_and_keeps_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(style="json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("laimark_sidecar.x").exception("failed", extra=logs.action("a.b"))
    record = json.loads(capsys.readouterr().err)
    assert (record["level"], record["action"], record["message"]) == ("error", "a.b", "failed")
    assert "ValueError: broken" in record["exception"]


def test_details_are_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logging.getLogger("laimark_sidecar.x").debug("quiet")
    logs.configure(level=logging.DEBUG)
    logging.getLogger("laimark_sidecar.x").debug("loud")
    err = capsys.readouterr().err
    assert "loud" in err
    assert "quiet" not in err


def test_configuring_twice_does_not_write_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.configure()
    logging.getLogger("laimark_sidecar.x").info("once")
    assert capsys.readouterr().err.count("once") == 1
