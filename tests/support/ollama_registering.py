"""A process that registers one version in an Ollama, to be killed on the way: URL, base, folder, version, adapter."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.ollama import runner

if __name__ == "__main__":
    url, base, folder, version, adapter = sys.argv[1:]
    runner(url, base, Path(folder)).register(version, Path(adapter))
