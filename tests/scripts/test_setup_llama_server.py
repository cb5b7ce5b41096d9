"""The build of llama-server: once a machine, whole or not at all, with whatever cmake there is.

Small programs stand in for cmake, which "compiles" a server that only knows its version, and for Python.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = """
set -euo pipefail
. "$CHECKOUT/scripts/setup/environment.sh"
require_llama_server "$STAND_IN_PYTHON"
printf 'built: %s\\n' "$REPLY"
"""
CMAKE = r"""#!/bin/bash
echo "cmake $*" >>"$STAND_IN_LOG"
case "$1" in
  -S) [ -f "$2/CMakeLists.txt" ] || { echo "no sources in $2"; exit 1; } ;;
  --build)
    [ -z "${STAND_IN_BROKEN:-}" ] || { echo "error: out of memory"; exit 1; }
    mkdir -p "$2/bin"; printf '#!/bin/sh\necho version: 1\n' >"$2/bin/llama-server"; chmod +x "$2/bin/llama-server" ;;
esac
"""
PYTHON = r"""#!/bin/bash
echo "python $*" >>"$STAND_IN_LOG"
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "-m pip install cmake ninja") cp "$STAND_IN_CMAKE" "$(dirname "$0")/cmake" ;;
esac
"""


class Machine:
    """A checkout, a cache with the sources, and stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "asked.log"
        self.bin = folder / "bin"
        self.cache = folder / "cache" / "laimark-sidecar"
        self.bin.mkdir()
        checkout = folder / "checkout"
        shutil.copytree(REPOSITORY / "scripts" / "setup", checkout / "scripts" / "setup")
        sdist = self._sdist(folder)
        script = checkout / "scripts" / "setup" / "llama_cpp.sh"
        digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
        script.write_text(
            re.sub(r"(?m)^(LLAMA_SDIST_SHA256=).*$", rf"\g<1>{digest}", script.read_text()), encoding="utf-8"
        )
        self.environ = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "CHECKOUT": str(checkout),
            "STAND_IN_LOG": str(self.log),
            "STAND_IN_PYTHON": str(self.stand_in("python-stand-in", PYTHON)),
            "STAND_IN_CMAKE": str(self.stand_in("cmake", CMAKE)),
        }

    def _sdist(self, folder: Path) -> Path:
        name = "llama_cpp_python-0.3.36"
        source = folder / name / "vendor" / "llama.cpp"
        source.mkdir(parents=True)
        (source / "CMakeLists.txt").write_text("project(llama)\n")
        sdist = self.cache / "sdists" / f"{name}.tar.gz"
        sdist.parent.mkdir(parents=True)
        with tarfile.open(sdist, "w:gz") as archive:
            archive.add(folder / name, arcname=name)
        return sdist

    def stand_in(self, name: str, content: str) -> Path:
        path = self.bin / name
        path.write_text(content)
        path.chmod(0o755)
        return path

    def build(self, **environ: str) -> subprocess.CompletedProcess[str]:
        self.log.unlink(missing_ok=True)
        return subprocess.run(
            ["bash", "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=False,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            timeout=50,
        )

    def asked(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def kept(self) -> list[Path]:
        return [path for path in self.cache.glob("servers/**/*") if path.is_file()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_compiled_once_and_nothing_else_is_kept(machine: Machine) -> None:
    built = machine.build()
    assert built.returncode == 0, built.stderr
    (server,) = machine.kept()
    assert built.stdout.endswith(f"built: {server}\n")
    assert "compile llama-server" in built.stdout
    assert "--target llama-server" in machine.asked()
    again = machine.build()
    assert again.stdout == f"built: {server}\n"
    assert machine.asked() == ""


def test_a_build_that_fails_is_told_and_leaves_nothing(machine: Machine) -> None:
    failed = machine.build(STAND_IN_BROKEN="1")
    assert failed.returncode == 1
    assert "out of memory" in failed.stderr
    assert "hint: " in failed.stderr
    assert machine.kept() == []
    assert machine.build().returncode == 0


def test_other_options_make_another_server(machine: Machine) -> None:
    machine.build()
    assert machine.build(CMAKE_ARGS="-DGGML_CUDA=on").returncode == 0
    assert len(machine.kept()) == 2
    assert "-DGGML_CUDA=on" in machine.asked()


def test_without_a_cmake_one_is_fetched_for_the_build_and_thrown_away(
    machine: Machine, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            if program.name not in {"cmake", "ninja", "make"} and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    (machine.bin / "cmake").rename(tmp_path / "cmake-of-pypi")
    built = machine.build(PATH=str(tools), STAND_IN_CMAKE=str(tmp_path / "cmake-of-pypi"))
    assert built.returncode == 0, built.stderr
    assert "fetch cmake and ninja" in built.stdout
    assert "pip install cmake ninja" in machine.asked()
    assert [path.name for path in machine.kept()] == ["llama-server"]
