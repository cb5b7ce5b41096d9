"""How llama-server is started in single mode, by whatever its own `--help` says that it understands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.runners.llama_server.settings import SingleSettings

NO_PROMPT_CACHE = "--no-cache-prompt"
_OPTIONAL = (
    # A prompt's cache is not dropped when the adapters change: its answers would be the old adapter's.
    (NO_PROMPT_CACHE,),
    ("--cache-ram", "0"),
    # A stream whose client is gone, and a stop, are noticed at the next ping.
    ("--sse-ping-interval", "2"),
)
_HELP_TIMEOUT_S = 30.0
# --lora-scaled takes FILE:SCALE,FILE:SCALE; nothing can be quoted.
_UNWRITABLE = re.compile(r"[:,\x00-\x1f]")


def help_of(binary: Path, environment: Mapping[str, str]) -> str:
    """Return what the program says of its own options.

    Raises:
        RunnerError: it does not run.
    """
    try:
        told = subprocess.run(
            [str(binary), "--help"],
            env=dict(environment),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_HELP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunnerError(f"{binary} does not tell its options: {error}") from error
    return told.stdout + told.stderr


def arguments(
    settings: SingleSettings, binary: Path, told: str, adapters: Sequence[tuple[Path, float]]
) -> list[str]:
    """Return the command line.

    One slot, so that there is one KV cache: two requests at once wait for each other. Adapters have their scale from the
    first request on: `--lora-init-without-apply` would leave it at 1.

    Args:
        settings: what to serve where.
        binary: the program.
        told: its help.
        adapters: in the order of their positions, with the scale that everybody gets.

    Raises:
        ConfigError: the folder's path is one that llama-server cannot be told.
    """
    options = settings.options
    command = [
        str(binary),
        *("--model", str(settings.model)),
        *("--alias", settings.base_name),
        *("--host", settings.host),
        *("--port", str(settings.port)),
        *("--ctx-size", str(options.context)),
        *("--threads", str(options.threads)),
        *("--threads-batch", str(options.threads)),
        *("--parallel", "1"),
        "--metrics",
    ]
    for option in _OPTIONAL:
        if option[0] in told:
            command.extend(option)
    # Before router mode the option took its scale as a second word, and was given once for each adapter.
    apart = re.search(r"--lora-scaled FNAME SCALE", told)
    for path, scale in adapters:
        if _UNWRITABLE.search(str(path)):
            raise ConfigError(
                f"{str(path)!r}: llama-server cannot be told this path (no ':', ',' or line break in it)",
                hint="move the home with LAIMARK_HOME",
            )
        words = [str(path), f"{scale:g}"]
        command.extend(["--lora-scaled", *(words if apart else [":".join(words)])])
    return command
