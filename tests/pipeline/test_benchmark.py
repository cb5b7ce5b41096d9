"""The benchmark's process: a real one, and stand-ins that end in every way that one can."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from tests.support.homes import opened, reconfigure, settings, small_base_dir

from laimark_sidecar.errors import DataError, MissingExtraError, TrainingError
from laimark_sidecar.files import make_dir
from laimark_sidecar.paths import Home, modelfiles
from laimark_sidecar.pipeline.benchmark import Event, encode_event, given, run_benchmark
from laimark_sidecar.pipeline.initialise import initialise

__all__ = ["small_base_dir"]


def program(folder: Path, text: str) -> str:
    """Return an interpreter that does what `text` says, whatever it is asked to run."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def says(*events: Event) -> str:
    return "".join(f"print({encode_event(event)!r}, flush=True)\n" for event in events)


def test_events_are_handed_on_and_what_others_print_is_not(tmp_path: Path) -> None:
    cell, done = Event(kind="cell", text="one", share=0.5), Event(kind="done", rows=(("a", "b"),))
    python = program(tmp_path, "print('Loading weights: 100%')\n" + says(cell, done))
    heard: list[Event] = []
    assert run_benchmark(python, [], on_event=heard.append) == done
    assert heard == [cell]


def test_a_failure_keeps_its_words_its_hint_and_its_exit_code(tmp_path: Path) -> None:
    failed = Event(kind="failed", text="no base", hint="give one")
    python = program(tmp_path, says(failed) + f"raise SystemExit({DataError.exit_code})")
    with pytest.raises(DataError, match="no base") as caught:
        run_benchmark(python, [], on_event=lambda _event: None)
    assert caught.value.hint == "give one"


def test_missing_packages_are_said_as_such(tmp_path: Path) -> None:
    failed = Event(kind="failed", text="no torch", hint="pip install")
    python = program(tmp_path, says(failed) + f"raise SystemExit({MissingExtraError.exit_code})")
    with pytest.raises(MissingExtraError, match="no torch"):
        run_benchmark(python, [], on_event=lambda _event: None)


def test_a_process_that_breaks_is_quoted(tmp_path: Path) -> None:
    python = program(tmp_path, "raise RuntimeError('out of luck')")
    with pytest.raises(TrainingError, match=r"(?s)ended with code 1: .*out of luck"):
        run_benchmark(python, [], on_event=lambda _event: None)
    with pytest.raises(TrainingError, match="cannot start"):
        run_benchmark(str(tmp_path / "nowhere"), [], on_event=lambda _event: None)


def test_the_process_is_gone_when_it_was_stopped(tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    python = program(
        tmp_path,
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "try:\n"
        f"    {says(Event(kind='cell'))}"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        f"    open({str(mark)!r}, 'w').close()\n"
        "    sys.exit(75)\n",
    )
    assert run_benchmark(python, [], on_event=interrupt) is None
    assert mark.exists()


def interrupt(event: Event) -> None:
    if event.kind == "cell":
        raise KeyboardInterrupt


@pytest.mark.timeout(300)  # two processes that import torch, on a busy machine
def test_a_real_run_that_was_stopped_goes_on_and_ends_with_its_report(
    small_base_dir: Path, tmp_path: Path
) -> None:
    out = make_dir(tmp_path / "run")
    sizes = {
        "tasks": 4,
        "exam": 2,
        "steps": 1,
        "stay": 1,
        "cycles": 2,
        "core-exam": 2,
        "written": 0,
        "library": 0,
    }
    small = {"core-replay": 2, "core-watched": 2, "rank": 2, "seeds": 1, "arms": "base,plain"}
    options = [part for name, value in (sizes | small).items() for part in (f"--{name}", str(value))]
    arguments = ["--events", "--base", str(small_base_dir), "--out", str(out), *options]
    assert run_benchmark(sys.executable, arguments, on_event=interrupt_after_a_cell) is None
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("cycle-*.json")}
    assert kept
    done = run_benchmark(sys.executable, ["--events", "--out", str(out)], on_event=lambda _event: None)
    assert done is not None
    assert {row[0] for row in done.rows} == {"base", "plain"}
    assert json.loads(done.summary)["unfinished"] == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def interrupt_after_a_cell(event: Event) -> None:
    if event.text.startswith("seed 0 base cycle 1"):
        raise KeyboardInterrupt


def test_without_a_home_the_demo_base_is_measured(tmp_path: Path) -> None:
    found = given(Home(root=tmp_path / "nowhere"))
    assert found.base == modelfiles() / "demo_base"
    assert found.python == sys.executable
    assert found.built_core is None


def test_a_home_gives_its_base_its_python_and_its_core(
    small_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    home = Home(root=tmp_path / "home")
    initialise(home, record=False, settings=settings(small_base_dir, demo_gguf))
    reconfigure(home, "training", python="/elsewhere/python")
    core = opened(home).base.core
    make_dir(core.parent)
    core.write_text("")
    found = given(home)
    assert (found.base, found.python, found.built_core) == (small_base_dir, "/elsewhere/python", core)
    other = given(home, base=modelfiles() / "demo_base")
    assert (other.base, other.built_core) == (modelfiles() / "demo_base", None)
