"""Tries an adapter in a child process: llama.cpp aborts or segfaults on some bad files, and a child may die of it.

`python -m laimark_sidecar.runners.embedded.probe BASE ADAPTER` ends with 0, or with a reason on its last stderr line.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from laimark_sidecar.errors import LaimarkError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.crash import child_environment, explain

_TEXT = "The quick brown fox jumps over the lazy dog."
_NEW_TOKENS = 4
_TIMEOUT_S = 120.0


def probe(base: Path, adapter: Path, *, sha256: str = "", timeout_s: float = _TIMEOUT_S) -> str:
    """Check that `adapter` can be served on `base`, without loading anything into this process.

    Args:
        base: GGUF of the base.
        adapter: GGUF of the LoRA.
        sha256: what the file should be; empty checks nothing.
        timeout_s: an adapter that hangs is as bad as one that crashes.

    Returns:
        The adapter's sha256.

    Raises:
        RunnerError: the file is missing or another one than promised, or the child refused, crashed or hung; says which.
    """
    found = verified_sha256(adapter, sha256)
    command = [sys.executable, "-m", "laimark_sidecar.runners.embedded.probe", str(base), str(adapter)]
    try:
        child = subprocess.run(
            command, capture_output=True, timeout=timeout_s, check=False, env=child_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise RunnerError(
            f"adapter {adapter} hung llama.cpp for {timeout_s:g} s and is not served"
        ) from error
    if child.returncode != 0:
        raise RunnerError(f"adapter {adapter} is not served: {explain(child.returncode, child.stderr)}")
    return found


def verified_sha256(adapter: Path, expected: str = "") -> str:
    """Return the file's sha256.

    Raises:
        RunnerError: the file cannot be read, or it is not the one that was `expected`.
    """
    try:
        found = sha256_file(adapter)
    except OSError as error:
        raise RunnerError(f"adapter {adapter} cannot be read: {error.strerror}") from error
    if expected and found != expected:
        raise RunnerError(f"adapter {adapter} has sha256 {found[:12]}..., expected {expected[:12]}...")
    return found


def main(arguments: list[str]) -> int:
    """Load both, decode a few tokens greedily, and check that the numbers are finite."""
    import numpy as np

    base_path, adapter_path = map(Path, arguments)
    try:
        with Base(base_path, context=256, threads=1) as base:
            base.set_adapter(base.load_adapter(adapter_path))
            logits_tv = base.decode(base.vocabulary.tokenize(_TEXT, bos=True), logits_from=0)
            for _ in range(_NEW_TOKENS):
                if not np.isfinite(logits_tv).all():
                    raise RunnerError("with it the model computes numbers that are not finite")
                logits_tv = base.decode([int(logits_tv[-1].argmax())])
    except LaimarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
