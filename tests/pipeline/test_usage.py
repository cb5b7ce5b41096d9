from __future__ import annotations

import pytest
from tests.support.homes import opened

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.usage import usage


def test_a_runner_that_is_not_there_is_told(ready_home: Home) -> None:
    with pytest.raises(RunnerError):
        usage(opened(ready_home), timeout_s=1.0)
