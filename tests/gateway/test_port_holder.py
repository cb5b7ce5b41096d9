from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.support.homes import free_port

from laimark_sidecar.gateway.port_holder import port_holder


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_listens_is_told_by_program_and_pid(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listening:
        try:
            listening.bind((address, 0))
        except OSError:
            pytest.skip(f"this system has no {address}")
        port: int = listening.getsockname()[1]
        assert port_holder(port) == ""  # bound, but nobody listens
        listening.listen()
        name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
        assert port_holder(port) == f"{name} (pid {os.getpid()})"


def test_of_a_free_port_and_of_a_system_that_does_not_tell_nobody_is_named(tmp_path: Path) -> None:
    assert port_holder(free_port()) == ""
    assert port_holder(free_port(), proc=tmp_path) == ""
