"""The command line as a whole: lazy commands, exit statuses, and what help must not import."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from laimark_sidecar import __version__
from laimark_sidecar.cli import COMMANDS, run
from laimark_sidecar.cli.lazy import LazyCommand, LazyGroup
from laimark_sidecar.errors import ConfigError, LaimarkError

HEAVY = {
    "torch", "numpy", "transformers", "gguf", "llama_cpp", "safetensors",
    "starlette", "uvicorn", "asyncio", "http.client", "ssl", "urllib.request",
    "rich", "watchdog", "sqlite3", "filelock", "tomlkit", "msgspec", "jinja2",
}  # fmt: skip


def group_that(error: BaseException) -> click.Group:
    group = click.Group()

    @group.command()
    def act() -> None:
        raise error

    return group


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    program = (
        "import json, sys\n"
        "from laimark_sidecar.cli import run\n"
        "status = run(['--help'])\n"
        "print(json.dumps([status, sorted(sys.modules)]))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    shown, _, last = answer.rstrip().rpartition("\n")
    status, modules = json.loads(last)
    assert status == 0
    assert HEAVY & set(modules) == set()
    assert not [name for name in modules if name.startswith("laimark_sidecar.cli.commands")]
    assert all(f"  {command.name} " in shown for command in COMMANDS)


def test_a_command_is_imported_when_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_example.py").write_text(
        "import click\n@click.command()\ndef it(): click.echo('called')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    group = LazyGroup(commands_table=[LazyCommand(name="go", target="lazy_example:it", summary="Go.")])
    sys.modules.pop("lazy_example", None)
    assert run(["--help"], group) == 0
    assert "lazy_example" not in sys.modules
    assert run(["go"], group) == 0
    assert "lazy_example" in sys.modules


def test_a_typo_gets_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rolback"]) == 2
    assert "No such command 'rolback'. Did you mean 'rollback'?" in capsys.readouterr().err


def test_names_and_modules_of_the_table_agree() -> None:
    assert all(c.target == f"laimark_sidecar.cli.commands.{c.name}:command" for c in COMMANDS)
    assert len({c.name for c in COMMANDS}) == len(COMMANDS)


def test_an_expected_failure_is_shown_with_its_hint_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["act"], group_that(ConfigError("steps is 0", hint="set it to 60"))) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: steps is 0\nhint: set it to 60\n"


def test_a_failure_without_a_hint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["act"], group_that(LaimarkError("no"))) == 1
    assert capsys.readouterr().err == "error: no\n"


def test_anything_else_is_a_bug_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["act"], group_that(ZeroDivisionError("oh"))) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: oh" in err
    assert "This is a bug" in err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_no_bug_and_says_what_to_do(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["act"], group_that(OSError(number, os.strerror(number), "x/y"))) == 5
    err = capsys.readouterr().err
    assert f"x/y: {os.strerror(number)}" in err
    assert "free disk space" in err
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_goes_to_a_full_disk_is_not_blamed_on_the_home_alone() -> None:
    command = [sys.executable, "-m", "laimark_sidecar", "--help"]
    with Path("/dev/full").open("wb") as full:
        child = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert child.returncode == 5
    assert "or where the output goes: No space left on device" in child.stderr


def test_another_os_error_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["act"], group_that(OSError(errno.EBADF, "Bad file descriptor"))) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["act"], group_that(KeyboardInterrupt())) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--nonsense"]) == 2
    assert "No such option" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "status"), [(SystemExit(4), 4), (SystemExit(None), 0), (SystemExit("no"), 1)]
)
def test_an_exit_keeps_its_status(raised: SystemExit, status: int) -> None:
    assert run(["act"], group_that(raised)) == status


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"laimark-sidecar, version {__version__}\n"


def test_home_is_passed_on_to_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAIMARK_HOME", "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert run(["--home", "state", "config", "path"]) == 0
    assert os.environ["LAIMARK_HOME"] == str(tmp_path / "state")


@pytest.mark.parametrize("arguments", [["status"], ["--home", "~nosuchuser/x", "init"]])
def test_a_home_of_nobody_is_told_not_traced_and_nothing_is_made(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAIMARK_HOME", "~nosuchuser/x")
    assert run(arguments) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "~nosuchuser/x" in err
    assert "hint: " in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "laimark_sidecar", "config", "show", "--json"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")
