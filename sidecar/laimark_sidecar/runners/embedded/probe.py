"""Tries an adapter in a child process: llama.cpp aborts or segfaults on some bad files, and a child may die of it.

`python -m laimark_sidecar.runners.embedded.probe BASE ADAPTER...` ends with 0, or with a reason on its last stderr line.
"""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Sequence
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
    try:
        child = _run(base, [adapter], timeout_s)
    except subprocess.TimeoutExpired as error:
        raise RunnerError(
            f"adapter {adapter} hung llama.cpp for {timeout_s:g} s and is not served"
        ) from error
    if child.returncode != 0:
        raise RunnerError(f"adapter {adapter} is not served: {explain(child.returncode, child.stderr)}")
    return found


def all_survive(base: Path, adapters: Sequence[Path], *, timeout_s: float = _TIMEOUT_S) -> bool:
    """Tell whether all adapters can be served, in one child for all of them: the base is loaded once.

    False names no culprit: probe them one by one then.
    """
    try:
        return _run(base, adapters, timeout_s).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def verified_sha256(adapter: Path, expected: str = "") -> str:
    """Return the file's sha256.

    Raises:
        RunnerError: the file is not a regular one, cannot be read, or is not the one that was `expected`.
    """
    try:
        # A pipe or a device never ends: hashing it would keep the lock of all later registrations.
        if not stat.S_ISREG(adapter.stat().st_mode):
            raise RunnerError(f"adapter {adapter} is not a regular file")
        found = sha256_file(adapter)
    except OSError as error:
        raise RunnerError(f"adapter {adapter} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RunnerError(f"adapter {str(adapter)!r} cannot be read: {error}") from error
    if expected and found != expected:
        raise RunnerError(f"adapter {adapter} has sha256 {found[:12]}..., expected {expected[:12]}...")
    return found


def _run(base: Path, adapters: Sequence[Path], timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    # -P: the folder that the user happens to be in may hold a module named like one of ours.
    module = "laimark_sidecar.runners.embedded.probe"
    command = [sys.executable, "-P", "-m", module, str(base), *map(str, adapters)]
    return subprocess.run(
        command, capture_output=True, timeout=timeout_s, check=False, env=child_environment()
    )


def _try(base: Base, path: Path) -> None:
    import numpy as np

    adapter = base.load_adapter(path)
    base.clear()
    base.set_adapter(adapter)
    logits_tv = base.decode(base.vocabulary.tokenize(_TEXT, bos=True), logits_from=0)
    for _ in range(_NEW_TOKENS):
        if not np.isfinite(logits_tv).all():
            raise RunnerError("with it the model computes numbers that are not finite")
        logits_tv = base.decode([int(logits_tv[-1].argmax())])
    base.unload(adapter)


def main(arguments: list[str]) -> int:
    """Load the base and try one adapter after the other: decode a few tokens, and check that the numbers are finite."""
    base_path, *adapter_paths = map(Path, arguments)
    try:
        with Base(base_path, context=256, threads=1) as base:
            for path in adapter_paths:
                _try(base, path)
    except LaimarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
