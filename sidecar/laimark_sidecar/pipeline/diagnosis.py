"""Is this machine ready? Each finding says what was looked at, what was found and what to do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import ConfigError, LaimarkError, RunnerError
from laimark_sidecar.journal.consent import read_consent
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.connect import driver, gateway_url, runner_url, users_ollama
from laimark_sidecar.pipeline.convert import require_trainable
from laimark_sidecar.pipeline.core import DEMO_JUDGES, core_file
from laimark_sidecar.pipeline.core_first import is_first
from laimark_sidecar.pipeline.forget import pending
from laimark_sidecar.pipeline.gateway import gateway_activity
from laimark_sidecar.pipeline.parity import parity_now
from laimark_sidecar.pipeline.recording import why_not_recorded
from laimark_sidecar.pipeline.workshop import Workshop, open_workshop
from laimark_sidecar.runners.llama_server.command import find_binary, modes
from laimark_sidecar.runners.ollama.address import elsewhere
from laimark_sidecar.sources.added import read_added

LEAST_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    state: Literal["ok", "warning", "error"]
    what: str
    fix: str = ""


def diagnose(home: Home) -> tuple[Finding, ...]:
    """Look at interpreter, packages, home, base, runner, disk; never raises for what it finds."""
    return tuple(_findings(home))


def _findings(home: Home) -> Iterator[Finding]:
    yield Finding(state="ok", what=f"Python {sys.version.split()[0]}")
    yield _package("llama_cpp", "llama-cpp-python", "the embedded runner and validation", "embedded")
    for module in ("torch", "transformers", "peft"):
        yield _package(module, module, "training", "train")
    yield _accelerator()
    yield _disk(home)
    if not home.config.is_file():
        yield Finding(state="error", what=f"{home.root} is not set up", fix="laimark-sidecar init")
        return
    yield _permissions(home)
    try:
        workshop = open_workshop(home, clock=SystemClock())
    except LaimarkError as error:
        yield Finding(state="error", what=str(error), fix=error.hint)
        return
    yield Finding(state="ok", what=f"base {workshop.base.identity.name}: {workshop.base.gguf}")
    yield from _training_base(workshop)
    yield _core(workshop)
    yield from _program(workshop.config)
    yield _runner(workshop)
    yield from _prompts(workshop)
    yield from _route(workshop)
    yield from _gateway(workshop.home, workshop.config)
    yield from _lists(workshop.home)
    problems = checkup(workshop)
    if not problems:
        yield Finding(state="ok", what="registry, buffer and cycles are sound")
    for problem in problems:
        state: Literal["error", "warning"] = problem.severity
        yield Finding(state=state, what=f"{problem.where}: {problem.message}", fix=problem.hint)


def _package(module: str, distribution: str, purpose: str, extra: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(
            state="error",
            what=f"{distribution} is missing ({purpose})",
            fix=f'pip install "laimark-sidecar[{extra}]"',
        )
    return Finding(state="ok", what=f"{distribution} {importlib.metadata.version(distribution)} ({purpose})")


def _accelerator() -> Finding:
    if shutil.which("nvidia-smi"):
        return Finding(state="ok", what="an NVIDIA driver is installed")
    return Finding(
        state="warning",
        what="no NVIDIA driver: training runs on the CPU",
        fix="fine for small models; slow beyond 1B",
    )


def _disk(home: Home) -> Finding:
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    enough = free >= LEAST_FREE_BYTES
    return Finding(
        state="ok" if enough else "warning",
        what=f"{free / 1e9:.1f} GB free for {home.root}",
        fix="" if enough else "free some space, or move the home with LAIMARK_HOME",
    )


def _permissions(home: Home) -> Finding:
    mode = stat.S_IMODE(home.root.stat().st_mode)
    if os.name != "nt" and mode & 0o077:
        return Finding(
            state="error",
            what=f"others may look into {home.root} (mode {mode:o})",
            fix=f"chmod 700 {home.root}",
        )
    return Finding(state="ok", what=f"{home.root} is readable by you alone")


def _training_base(workshop: Workshop) -> Iterator[Finding]:
    """Look whether the folder to train on can be made from the GGUF, where there is none of the user's own."""
    base = workshop.base
    if not base.hf_made:
        return
    try:
        size = require_trainable(base.gguf)
    except LaimarkError as error:
        yield Finding(state="error", what=str(error), fix=error.hint)
        return
    made = "is made" if base.hf_dir.is_dir() else "will be made when training first needs it"
    yield Finding(state="ok", what=f"the training base ({size / 1e9:.1f} GB) {made} from it: {base.hf_dir}")


def _core(workshop: Workshop) -> Finding:
    path, origin = core_file(workshop.base)
    if is_first(workshop):
        return Finding(state="ok", what="what the base may forget: the first cycle makes a core set")
    if origin == "demo":
        return Finding(state="warning", what=DEMO_JUDGES, fix="laimark-sidecar core build")
    return Finding(state="ok", what=f"what the base may forget is judged by {path}")


def _program(config: Config) -> Iterator[Finding]:
    """Look at the llama-server to start, where the sidecar keeps one."""
    if driver(config) != "llama-server":
        return
    try:
        binary = find_binary(config.runner.binary, os.environ)
        known = modes(binary, os.environ)
    except ConfigError as error:
        yield Finding(state="error", what=str(error), fix=error.hint)
        return
    if config.runner.mode in known:
        yield Finding(state="ok", what=f"llama-server, {config.runner.mode} mode: {binary}")
    else:
        yield Finding(
            state="error",
            what=f"{binary} knows no {config.runner.mode} mode: it is from before December 2025",
            fix='set runner.mode to "single" in config.toml, or install a newer llama.cpp',
        )


def _runner(workshop: Workshop) -> Finding:
    try:
        runner = workshop.runner()
        require_same(workshop.base.identity, runner.base(), where="the runner")
        names = runner.names()
    except LaimarkError as error:
        return Finding(state="warning", what=str(error), fix=error.hint)
    return Finding(state="ok", what=f"the runner answers, and serves {', '.join(sorted(names))}")


def _prompts(workshop: Workshop) -> Iterator[Finding]:
    """Tell whether what is learned is what will be asked."""
    try:
        if parity_now(workshop, workshop.runner()):
            yield Finding(state="ok", what="the runner reads conversations as training does, token by token")
    except RunnerError:  # said by what looked at the runner before
        return
    except LaimarkError as error:
        yield Finding(state="error", what=str(error), fix=error.hint)


def _gateway(home: Home, config: Config) -> Iterator[Finding]:
    """Tell whether the gateway runs, where it is what records."""
    if config.runner.kind == "embedded" or not config.journal.record:
        return
    if gateway_activity(config) is None:
        what = "the gateway does not run: nothing that is said to the runner is recorded"
        yield Finding(state="warning", what=what, fix="laimark-sidecar gateway")
    else:
        why = why_not_recorded(home, config, gateway_runs=True)
        what = f"the gateway runs at {gateway_url(config)}{f', and nothing is recorded: {why}' if why else ', and records'}"
        yield Finding(
            state="warning" if why else "ok", what=what, fix="laimark-sidecar logs status" if why else ""
        )


def _lists(home: Home) -> Iterator[Finding]:
    """Tell which of the small files that say what is wanted cannot be read."""
    for read in (
        lambda: read_added(home.sources),
        lambda: read_consent(home.recording),
        lambda: pending(home),
    ):
        try:
            read()
        except LaimarkError as error:
            yield Finding(state="error", what=str(error), fix=error.hint)


def _route(workshop: Workshop) -> Iterator[Finding]:
    """Tell how versions reach the users of an Ollama, and what else could be chosen."""
    config = workshop.config
    if config.runner.kind != "ollama":
        return
    url = users_ollama(config)
    if away := elsewhere(url):
        yield Finding(state="warning", what=away, fix="if that is not meant, set ollama.url in config.toml")
    route = f'ollama.route = "{config.ollama.route}"'
    if driver(config) != "ollama":
        where = f"a llama-server of the sidecar on Ollama's file, at {runner_url(config)}"
        yield Finding(state="ok", what=f"versions are served by {where} ({route})")
        return
    try:
        takes = workshop.runner().capabilities().adapters
    except LaimarkError:  # said by what looked at the runner before
        return
    if takes:
        yield Finding(state="ok", what=f"versions reach Ollama as adapters beside the base ({route})")
    elif config.ollama.route == "adapter":
        yield Finding(
            state="error",
            what=f"this Ollama takes no adapters for this base ({route})",
            fix='set ollama.route to "auto", "merged" or "own-server"',
        )
    else:
        gigabytes = workshop.base.gguf.stat().st_size / 1e9
        yield Finding(
            state="ok",
            what=f"versions reach Ollama merged into a copy of the base ({route}): {gigabytes:.1f} GB or more each; "
            'with ollama.route = "own-server" they stay adapters',
        )
