"""The set-up of a fresh machine: what is done once, what is said when it cannot go on, what a kill leaves behind.

A small program stands in for Python: it makes "virtual environments" and "installs" by writing down what it was asked.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PYTHON = r"""#!/bin/bash
echo "$@" >>"$STAND_IN_LOG"
here=$0
case "$*" in
  --version) echo "Python 3.11.9" ;;
  *"sys.version_info < (3, 11)"*) exit "${STAND_IN_TOO_OLD:-0}" ;;
  *"import venv, ensurepip"*) exit "${STAND_IN_NO_VENV:-0}" ;;
  *'"cp%d%d"'*) echo cp311 ;;
  *"-m venv"*) folder=${*: -1}; mkdir -p "$folder/bin"; cp "$here" "$folder/bin/python" ;;
  *"pip download"*)
    [ -z "${STAND_IN_OFFLINE:-}" ] || { echo "ERROR: Could not find a version"; exit 1; }
    while [ "$1" != --dest ]; do shift; done; cp "$STAND_IN_SDIST" "$2/" ;;
  *"pip wheel"*)
    while [ "$1" != --wheel-dir ]; do shift; done
    echo "[7/140] Building"; echo half >"$2/llama_cpp_python-0.3.36-py3-none-any.whl"
    [ -z "${STAND_IN_HANG:-}" ] || { echo hangs >"$STAND_IN_HANG"; sleep 30; }
    exit "${STAND_IN_BUILD_STATUS:-0}" ;;
  *"pip install"*--editable*)
    bin=$(dirname "$here"); printf '#!/bin/bash\necho "sidecar $*"\n' >"$bin/laimark-sidecar"; chmod +x "$bin/laimark-sidecar" ;;
esac
"""


class Machine:
    """A checkout, a cache and a PATH of their own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.cache = folder / "cache" / "laimark-sidecar"
        self.log = folder / "asked.log"
        self.bin = folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()
        shutil.copytree(REPOSITORY / "scripts" / "setup", self.root / "scripts" / "setup")
        shutil.copy(REPOSITORY / "scripts" / "demo", self.root / "scripts" / "demo")
        shutil.copy(REPOSITORY / "pyproject.toml", self.root)
        sdist = folder / "llama_cpp_python-0.3.36.tar.gz"
        sdist.write_bytes(b"sources")
        self._expect_sdist(sdist)
        python = self.bin / "python3"
        python.write_text(PYTHON)
        python.chmod(0o755)
        self.environ = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "STAND_IN_LOG": str(self.log),
            "STAND_IN_SDIST": str(sdist),
            "LAIMARK_PYTHON": str(python),
        }

    def _expect_sdist(self, sdist: Path) -> None:
        script = self.root / "scripts" / "setup" / "llama_cpp.sh"
        digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
        pinned = re.sub(r"(?m)^(LLAMA_SDIST_SHA256=).*$", rf"\g<1>{digest}", script.read_text())
        script.write_text(pinned)

    def demo(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        self.log.unlink(missing_ok=True)
        return subprocess.run(
            [str(self.root / "scripts" / "demo"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environ | environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            timeout=50,
        )

    def asked(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def wheels(self) -> list[Path]:
        return sorted(self.cache.glob("wheels/cp*/*.whl"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_fresh_machine_is_set_up_and_the_demo_gets_its_arguments(machine: Machine) -> None:
    ended = machine.demo("--fast", "two words")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("sidecar demo --fast two words\n")
    assert [title in ended.stdout for title in ("create .venv", "compile llama-cpp-python", "Set up in")] == [
        True
    ] * 3


def test_torch_comes_first_alone_and_exact(machine: Machine) -> None:
    machine.demo()
    installs = [line for line in machine.asked().splitlines() if "pip install" in line]
    assert installs[0].endswith(" torch==2.13.0")
    assert "[train,embedded,plots]" in installs[1]


def test_another_torch_may_be_named_with_options(machine: Machine) -> None:
    machine.demo(LAIMARK_TORCH="torch==2.12.0 --no-deps")
    assert " torch==2.12.0 --no-deps\n" in machine.asked()


def test_the_second_run_installs_nothing(machine: Machine) -> None:
    machine.demo()
    again = machine.demo()
    assert again.stdout == "sidecar demo\n"
    assert "pip" not in machine.asked()


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/setup/constraints.txt"])
def test_changed_requirements_are_installed_without_compiling_again(machine: Machine, name: str) -> None:
    machine.demo()
    with (machine.root / name).open("a") as handle:
        handle.write("# changed\n")
    machine.demo()
    assert "pip install" in machine.asked()
    assert "pip wheel" not in machine.asked()


def test_another_build_option_is_another_wheel(machine: Machine) -> None:
    machine.demo()
    machine.demo(CMAKE_ARGS="-DGGML_CUDA=on")
    assert len(machine.wheels()) == 2


def test_an_environment_that_moved_is_made_anew(machine: Machine) -> None:
    machine.demo()
    machine.root = machine.root.rename(machine.root.with_name("moved"))
    assert "create .venv" in machine.demo().stdout


def test_a_failed_build_shows_its_end_and_leaves_no_wheel(machine: Machine) -> None:
    ended = machine.demo(STAND_IN_BUILD_STATUS="3")
    assert ended.returncode == 1
    assert "    | [7/140] Building" in ended.stderr
    assert "hint: the whole log is in" in ended.stderr
    assert machine.wheels() == []
    assert not list(machine.cache.glob("wheels/.partial*"))
    assert machine.demo().returncode == 0


def test_a_killed_build_is_never_used(machine: Machine, tmp_path: Path) -> None:
    hangs = tmp_path / "hangs"
    command = [str(machine.root / "scripts" / "demo")]
    environ = machine.environ | {"STAND_IN_HANG": str(hangs)}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as running:
        while not hangs.exists():
            assert running.poll() is None
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
    assert machine.wheels() == []
    assert machine.demo().returncode == 0
    assert len(machine.wheels()) == 1


def test_no_network_is_said_with_pips_own_words(machine: Machine) -> None:
    ended = machine.demo(STAND_IN_OFFLINE="1")
    assert ended.returncode == 1
    assert "    | ERROR: Could not find a version" in ended.stderr
    assert "hint: check the network" in ended.stderr


def test_another_source_package_than_the_tested_one_is_refused(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "llama_cpp_python-0.3.36.tar.gz").write_bytes(b"something else")
    ended = machine.demo()
    assert ended.returncode == 1
    assert "is not the file that was tested" in ended.stderr


def bash(machine: Machine, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'. "{machine.root}/scripts/setup/environment.sh"; {script}'],
        capture_output=True,
        text=True,
        check=False,
        env=machine.environ | environ,
        stdin=subprocess.DEVNULL,
        timeout=50,
    )


def test_without_apt_the_missing_package_is_named(machine: Machine) -> None:
    ended = bash(machine, 'command() { return 1; }; install_packages "a C++ compiler" g++')
    assert ended.returncode == 1
    assert "error: a C++ compiler is missing" in ended.stderr
    assert "apt-get install g++" in ended.stderr


def test_without_root_the_command_to_run_is_named(machine: Machine) -> None:
    ended = bash(
        machine, 'command() { return 0; }; id() { echo 1000; }; install_packages "a C++ compiler" g++'
    )
    assert ended.returncode == 1
    assert "hint: sudo apt-get install g++" in ended.stderr


def test_a_python_that_stays_too_old_is_refused(machine: Machine) -> None:
    ended = bash(machine, "_suits() { return 1; }; install_packages() { :; }; require_python")
    assert ended.returncode == 1
    assert "no Python 3.11 or newer: this system's python3 is Python 3.11.9" in ended.stderr
    assert "LAIMARK_PYTHON=" in ended.stderr


def test_a_python_without_venv_asks_for_the_package(machine: Machine) -> None:
    ended = bash(
        machine, 'install_packages() { echo "asked for $2"; exit 9; }; require_python', STAND_IN_NO_VENV="1"
    )
    assert ended.returncode == 9
    assert ended.stdout.startswith("asked for python")


def test_a_heartbeat_shows_the_compilers_steps(machine: Machine) -> None:
    script = (
        'mkdir -p "$LAIMARK_CACHE"; HEARTBEAT_S=1; step compile hint bash -c \'echo "[7/140] x"; sleep 2.5\''
    )
    ended = bash(machine, script)
    assert ended.returncode == 0
    assert "0m01s  [7/140]" in ended.stdout


def test_a_second_setup_waits_for_the_first(machine: Machine) -> None:
    script = (
        'mkdir -p "$LAIMARK_CACHE"; exec 8>"$LAIMARK_CACHE/setup.lock"; '
        "python3.11 -c 'import fcntl; fcntl.flock(8, fcntl.LOCK_EX)'; "
        "(sleep 1; exec 8>&-) & exec 8>&-; _lock python3.11; echo done"
    )
    ended = bash(machine, script.replace("python3.11", sys.executable))
    assert ended.stdout == "==> another set-up is running; waiting for it\ndone\n"


def test_a_heartbeat_that_dies_young_cleans_up_nothing(machine: Machine) -> None:
    # A child that is killed between its birth and its first command still has its parent's EXIT trap.
    script = (
        'mkdir -p "$LAIMARK_CACHE"; scratch_folder "$LAIMARK_CACHE"; folder=$REPLY; '
        'for _ in $(seq 100); do step quick hint true >/dev/null; [ -d "$folder" ] || exit 9; done'
    )
    ended = bash(machine, script)
    assert (ended.returncode, ended.stderr) == (0, "")
