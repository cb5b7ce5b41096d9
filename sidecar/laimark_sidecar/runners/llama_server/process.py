"""Starts llama-server so that it outlives the command that did, finds it again, and ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import FILE_MODE, exclusive, make_dir
from laimark_sidecar.runners.llama_server.command import environment_of, find_binary
from laimark_sidecar.runners.llama_server.connection import Connection, RefusedError
from laimark_sidecar.runners.llama_server.settings import ServerSettings

START_TIMEOUT_S = 60.0
"""It listens within a second, in either mode."""
LOAD_TIMEOUT_S = 900.0
"""With one model it refuses while it loads that, which from a slow disk takes minutes; a router loads when it is asked."""
HEALTH_TIMEOUT_S = 2.0
TERM_TIMEOUT_S = 8.0
"""A router that ends cleanly waits for a stream's next ping (2 s) and its processes (1 s). One that is wedged never ends."""
KILL_TIMEOUT_S = 5.0
FREED_TIMEOUT_S = 2.0
"""The kernel forgets the command line of a process that was killed a moment before it closes its sockets."""
LOCK_WAIT_S = 30.0
_POLL_S = 0.05
_PIDS = range(1, 1 << 31)
"""What fits into `pid_t`; 0 and less mean groups of processes."""
_STARTER = 'umask 077; echo $$ > "$1.new" && mv "$1.new" "$1" && shift && exec "$@"'
_TOLD_BYTES = 2000
LOG_BYTES = 16 << 20
"""A log that is longer when the server is started is begun anew."""


class ManagedServer:
    """The one llama-server of a home. Every method may be called from any process.

    Args:
        settings: what to start.
        environment: of the process to be.
        command: returns the command line for a binary; it names a file in the settings' folder.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        environment: Mapping[str, str],
        command: Callable[[Path], list[str]],
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._command = command

    def pid(self) -> int | None:
        """Return the process id of the running server, None where none of this home runs."""
        try:
            pid = int(self._settings.pid.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None
        if pid not in _PIDS:
            return None
        # The number may be another process's by now: what it names of our folder tells.
        return pid if f"{self._settings.folder}{os.sep}" in _command_line(pid) else None

    def healthy(self) -> bool:
        """Say whether it answers within 2 s. A wedged router may still: ask a name to be sure."""
        try:
            self._ask_health()
        except RunnerError:
            return False
        return True

    def start(self, *, prepare: Callable[[], None]) -> int:
        """Start it unless it runs, and return its process id once it answers. Blocks as long as its model is loaded.

        Its output is appended to the log; it runs on when this process ends.

        Args:
            prepare: writes the preset file; called only where no server reads it.

        Raises:
            ConfigError: there is no llama-server to run.
            RunnerError: it does not come up, for example because the port is taken; quotes its log. Or it runs and is
                silent.
            LockedError: another process is starting or stopping it.
        """
        with self._alone("start"):
            if (pid := self.pid()) is None:
                return self._launch(prepare)
            self._require_health(pid)
            return pid

    def restart(self, *, prepare: Callable[[], None]) -> int:
        """End it where it runs, and start it as it is to be now; returns its process id once it answers.

        Answers in flight are cut: look first. Where this process is killed in between, the pid file stays, and tells that
        it is meant to run (`wanted`).

        Raises:
            ConfigError, RunnerError, LockedError: as `start` does; it does not run then.
        """
        with self._alone("restart"):
            if (pid := self.pid()) is not None:
                self._end(pid)
            return self._launch(prepare)

    def started_with(self, flag: str) -> bool:
        """Say whether the running server was started with this option."""
        pid = self.pid()
        return pid is not None and flag in _command_line(pid).split()

    def wanted(self) -> bool:
        """Say whether it is meant to run: it was started and not stopped since, however it ended."""
        return self._settings.pid.exists()

    def stop(self) -> bool:
        """End it, and say whether it ran. Answers in flight are cut; a wedged one is killed after 8 s. Safe to repeat.

        Raises:
            RunnerError: not even killing ended it.
            LockedError: another process is starting or stopping it.
        """
        with self._alone("stop"):
            pid = self.pid()
            if pid is not None:
                self._end(pid)
            self._settings.pid.unlink(missing_ok=True)
            return pid is not None

    def log_tail(self, *, since_byte: int = 0) -> str:
        """Return the last lines of the log, at most 2,000 bytes. At its default level the log holds no prompt text."""
        try:
            with self._settings.log.open("rb") as handle:
                size = handle.seek(0, os.SEEK_END)
                handle.seek(max(since_byte, size - _TOLD_BYTES))
                return handle.read().decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""

    def _launch(self, prepare: Callable[[], None]) -> int:
        self._require_free_port()
        binary = find_binary(self._settings.binary, self._environment)
        prepare()
        began = self._trim_log()
        pid = self._spawn(self._command(binary))
        self._await_health(pid, began)
        return pid

    def _require_free_port(self) -> None:
        # Whoever takes the connection, llama-server or not: ours would end at once, with a page of log instead of a reason.
        deadline_s = time.monotonic() + FREED_TIMEOUT_S
        while self._port_is_held():
            if time.monotonic() > deadline_s:
                raise RunnerError(
                    f"something else listens at {self._settings.url}",
                    hint="stop it, or choose another runner.port in config.toml",
                )
            time.sleep(_POLL_S)

    def _port_is_held(self) -> bool:
        address = (self._settings.host, self._settings.port)
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=HEALTH_TIMEOUT_S):
            return True
        return False

    @contextmanager
    def _alone(self, doing: str) -> Iterator[None]:
        with exclusive(
            self._settings.folder / "process.lock", f"runner {doing} (pid {os.getpid()})", wait_s=LOCK_WAIT_S
        ):
            yield

    def _trim_log(self) -> int:
        """Return where the next line of the log begins."""
        size = self._settings.log.stat().st_size if self._settings.log.exists() else 0
        if size <= LOG_BYTES:
            return size
        self._settings.log.unlink()
        return 0

    def _spawn(self, command: list[str]) -> int:
        make_dir(self._settings.folder)
        log = str(self._settings.log)
        # posix_spawn, because a Popen wants its child waited for, and this one is to outlive us. It writes its own pid
        # file, because we may be killed before we could: nobody would find it again.
        return os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", _STARTER, "sh", str(self._settings.pid), *command],
            environment_of(self._environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM],
        )

    def _require_health(self, pid: int) -> None:
        """Wait for one that somebody else is starting, who may have been killed meanwhile; not for one that is silent."""
        if trouble := self._until_healthy(pid, patient=False):
            raise RunnerError(
                f"llama-server (pid {pid}) runs, but {trouble}",
                hint="laimark-sidecar runner stop, then: laimark-sidecar runner start",
            )

    def _await_health(self, pid: int, log_from: int) -> None:
        if trouble := self._until_healthy(pid, patient=True):
            self._end(pid)
            self._settings.pid.unlink(missing_ok=True)
            said = self.log_tail(since_byte=log_from)
            hint = f"see {self._settings.log}; is port {self._settings.port} free?"
            if "argument: --models-preset" in said:
                hint = 'it is from before router mode (December 2025): set runner.mode to "single" in config.toml'
            raise RunnerError(f"llama-server {trouble}: {said}", hint=hint)

    def _until_healthy(self, pid: int, *, patient: bool) -> str:
        """Return once it answers, or why it does not: it ended, or never listened, or loads for too long.

        Args:
            pid: of the process.
            patient: wait for one that takes connections and says nothing, too.
        """
        began_s = time.monotonic()
        while True:
            ended = not _alive(pid)
            try:
                self._ask_health()
            except RefusedError:  # it loads its model
                most_s = LOAD_TIMEOUT_S
            except RunnerError as error:
                if not patient and not isinstance(error.__cause__, ConnectionRefusedError):
                    return f"does not answer: {error}"
                most_s = START_TIMEOUT_S
            else:
                return ""
            if ended:
                return "ended at once"
            if time.monotonic() - began_s > most_s:
                return f"did not answer for {most_s:g} s"
            time.sleep(_POLL_S)

    def _ask_health(self) -> None:
        Connection(self._settings.url, timeout_s=HEALTH_TIMEOUT_S).call("GET", "/health")

    def _end(self, pid: int) -> None:
        for number, timeout_s in ((signal.SIGTERM, TERM_TIMEOUT_S), (signal.SIGKILL, KILL_TIMEOUT_S)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline_s = time.monotonic() + timeout_s
            while _alive(pid) and time.monotonic() < deadline_s:
                time.sleep(_POLL_S)
            if not _alive(pid):
                return
        raise RunnerError(f"llama-server (pid {pid}) cannot be ended", hint=f"by hand: kill -9 {pid}")


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # not ours: started by an earlier command
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    """Return a process's command line, empty where there is no such process (or it has ended and waits for its parent)."""
    if not _alive(pid):
        return ""
    proc = Path(f"/proc/{pid}/cmdline")
    if proc.exists():
        return proc.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, encoding="utf-8", check=False
    )
    return shown.stdout
