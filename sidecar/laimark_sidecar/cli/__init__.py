"""The `laimark-sidecar` command: one module a command, each imported only when it is called."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from laimark_sidecar import __version__, logs
from laimark_sidecar.cli.lazy import LazyCommand, LazyGroup
from laimark_sidecar.errors import LaimarkError, StateError
from laimark_sidecar.paths import expanded

MACHINE_FAULTS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
}
"""What the machine can do to any command: no bug of ours, and nothing that we could have prevented."""
EXIT_BUG = 70
"""EX_SOFTWARE of sysexits.h."""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def _command(name: str, summary: str) -> LazyCommand:
    return LazyCommand(name=name, target=f"laimark_sidecar.cli.commands.{name}:command", summary=summary)


COMMANDS = (
    _command("init", "Create the home: configuration, journal, replay buffer, registry."),
    _command("run", "Run the sidecar: watch the log, train when idle, serve what is accepted."),
    _command("serve", "Run the embedded runner alone."),
    _command("gateway", "Stand in front of Ollama or llama-server and record what passes."),
    _command("logs", "Say what is recorded: show it, switch it on and off."),
    _command("runner", "Start, stop and look at the llama-server that the sidecar keeps."),
    _command("status", "Show what is served, what was learned and what waits."),
    _command("ps", "List the names that the runner answers to now, and what answers."),
    _command("sources", "Learn from the logs of other programs: Open WebUI, llm, LM Studio, ..."),
    _command("buffer", "Look into the replay buffer; forget what should not be learned."),
    _command("core", "Say by what it is told that the base forgets: build the core set, show it."),
    _command("train", "Run one learning cycle now."),
    _command("validate", "Judge a version again on the held-out examples."),
    _command("list", "List the versions of the adapter."),
    _command("show", "Show one version: lineage, data, evidence."),
    _command("why", "Show what a version was made from, and why the gate let it through."),
    _command("diff", "Compare two versions: figures, answers, how far the weights are apart."),
    _command("log", "Show what was served when, and why it changed."),
    _command("use", "Serve a version by its name."),
    _command("promote", "Serve a candidate that the gate accepted."),
    _command("rollback", "Go back to the version that was served before."),
    _command("cp", "Give a version one more name."),
    _command("rm", "Remove a name, or a version that nothing needs."),
    _command("convert", "Convert a PEFT adapter to GGUF, as llama.cpp and Ollama load it."),
    _command("merge", "Write a version as a whole model, for programs that take no adapters."),
    _command("modelfile", "Write the Modelfile of a version, for `ollama create` by hand."),
    _command("forget", "Forget conversations for good; learn anew without them."),
    _command("check", "Verify every file of the home against its digest."),
    _command("prune", "Delete what no version needs; a dry run without --yes."),
    _command("doctor", "Say whether this machine is ready, and what is missing."),
    _command("pause", "Stop learning and recording until `resume`; chats go on."),
    _command("resume", "Learn and record again after `pause`."),
    _command("demo", "Show a whole learning cycle on the small model that is shipped."),
    _command("bench", "Measure ways to learn on this machine: gain, forgetting, what the gate lets through."),
    _command("config", "Show where the configuration is, what is in force, and whether it is valid."),
)


@click.group(cls=LazyGroup, commands_table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="laimark-sidecar")
@click.option("-v", "--verbose", is_flag=True, help="Log details, not only events.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", help="How to write the log."
)
@click.option("--home", type=click.Path(file_okay=False), help="State folder, instead of LAIMARK_HOME.")
def cli(verbose: bool, log_format: logs.LogFormat, home: str | None) -> None:
    """Your local model learns from you: gated, reversible adapters from your own conversations."""
    logs.configure(level=logging.DEBUG if verbose else logging.INFO, style=log_format)
    if home is not None:
        # In the environment, because the daemon, the runner and the worker are children that must see the same home.
        os.environ["LAIMARK_HOME"] = os.path.abspath(expanded(home, named_by="--home"))  # noqa: PTH100


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], group: click.Command = cli) -> int:
    """Run one command and return its exit status; nothing but a result is written to stdout.

    Expected failures are shown as message and hint, with their own status; anything else with its traceback.
    """
    status: object
    try:
        status = group.main(args=list(arguments), prog_name="laimark-sidecar", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except LaimarkError as error:
        status = _show(error)
    except Exception as error:  # noqa: BLE001 - the last frame of the program: what comes here is a bug to be shown
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.EPIPE:
            status = _reader_is_gone()
        elif isinstance(error, OSError) and number in MACHINE_FAULTS:
            status = _show(_machine_fault(error))
        else:
            status = _show_bug()
    return status if isinstance(status, int) else 0


def _machine_fault(error: OSError) -> StateError:
    return StateError(
        f"{error.filename or 'the home, or where the output goes'}: {error.strerror}",
        hint="free disk space, or check the folder's permissions",
    )


def _show(error: LaimarkError) -> int:
    click.echo(f"{click.style('error:', fg='red')} {error}", err=True)
    if error.hint:
        click.echo(f"{click.style('hint:', fg='cyan')} {error.hint}", err=True)
    return error.exit_code


def _show_bug() -> int:
    traceback.print_exc()
    click.echo(
        f"\nThis is a bug in laimark-sidecar {__version__}, not something that you did. "
        "Please report it with the lines above.",
        err=True,
    )
    return EXIT_BUG


def _reader_is_gone() -> int:
    """End quietly when stdout was a pipe that its reader closed (`... | head`)."""
    # What is still buffered would be flushed at exit and complain again; send it nowhere.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 1
