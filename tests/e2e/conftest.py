"""Homes for the use cases: see `tests.support.homes`; and a running llama-server."""

from __future__ import annotations

from tests.support.homes import ready_home, ready_root, small_base_dir, trained_home, trained_root
from tests.support.llama_server_running import adapters, running

__all__ = [
    "adapters",
    "ready_home",
    "ready_root",
    "running",
    "small_base_dir",
    "trained_home",
    "trained_root",
]
