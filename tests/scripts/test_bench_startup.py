"""The startup benchmark ends with one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_startup.py"


def test_the_last_line_is_json_with_what_was_measured() -> None:
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "--runs", "1"], capture_output=True, text=True, check=True
    )
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert figures["runs"] == 1
    assert min(figures["help_ms"], figures["bare_ms"]) > 0
