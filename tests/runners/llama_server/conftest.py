"""One router for the tests of a module, and adapters to register with it: see `tests.support.llama_server_running`."""

from __future__ import annotations

from tests.support.llama_server_running import Running, adapters, running

__all__ = ["Running", "adapters", "running"]
