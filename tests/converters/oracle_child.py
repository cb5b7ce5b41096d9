"""Run llama.cpp's own adapter converter several times in one process: importing its stack is what costs.

Arguments: the folder of llama.cpp's Python sources, then one JSON list of argument lists for the script.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path


def run(source: Path, jobs: list[list[str]]) -> None:
    """Run the script once for each list of arguments, exactly as its command line would."""
    sys.path.insert(0, str(source))
    for arguments in jobs:
        script = source / "convert_lora_to_gguf.py"
        sys.argv = [str(script), *arguments]
        runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    run(Path(sys.argv[1]), json.loads(sys.argv[2]))
