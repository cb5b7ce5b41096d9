from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.library import default_threads, forget_reasons, library, reason


def test_missing_llama_cpp_names_the_extra_to_install() -> None:
    code = (
        "import sys; sys.modules['llama_cpp'] = None\n"
        "from laimark_sidecar.errors import MissingExtraError\n"
        "from laimark_sidecar.llamacpp.library import library\n"
        "try: library()\n"
        "except MissingExtraError as error: print(error.hint)\n"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == 'pip install "laimark-sidecar[embedded]"'


def test_library_is_loaded_once() -> None:
    assert library() is library()


def test_importing_our_modules_does_not_import_llama_cpp_or_numpy() -> None:
    code = (
        "import sys, laimark_sidecar.llamacpp.identity, laimark_sidecar.runners.embedded.serve\n"
        "print(sorted({'llama_cpp', 'numpy', 'torch'} & set(sys.modules)))\n"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_reason_quotes_the_log_line_of_the_failure(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but not really")
    with pytest.raises(RunnerError, match=r"cannot load .*broken\.gguf: (?!llama.cpp gave no reason)"):
        Base(broken)


def test_no_log_line_is_said_plainly() -> None:
    forget_reasons()
    assert reason() == "llama.cpp gave no reason"


def test_llama_cpp_writes_nothing_to_stderr(demo_gguf: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from laimark_sidecar.llamacpp.base import Base\n"
        "Base(Path(sys.argv[1]), threads=1).close()\n"
    )
    child = subprocess.run([sys.executable, "-c", code, str(demo_gguf)], capture_output=True, check=True)
    assert child.stderr == b""


def test_default_threads_leaves_cores_free() -> None:
    assert default_threads() >= 1
