"""`laimark-sidecar logs`: what is recorded, and the switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option

if TYPE_CHECKING:
    from laimark_sidecar.journal.consent import Consent

_models = click.option("--model", "models", multiple=True, help="Only this model (may be repeated).")
_clients = click.option(
    "--client",
    "clients",
    multiple=True,
    help="Only this client, for example curl or open-webui (may be repeated).",
)
OFF = "off"


@click.group()
def command() -> None:
    """Say what is recorded: show it, switch it on and off.

    A client can also keep one request out of it, with the header `X-Laimark-Record: off`.
    """


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether conversations are recorded, and the rules for models and clients."""
    from laimark_sidecar.journal.consent import read_consent
    from laimark_sidecar.pipeline.gateway import gateway_activity
    from laimark_sidecar.pipeline.recording import why_not_recorded

    opened = workshop()
    gateway = gateway_activity(opened.config)
    why = why_not_recorded(opened.home, opened.config, gateway_runs=gateway is not None)
    consent = read_consent(opened.home.recording)
    lines = [f"recording {f'off ({why})' if why else 'on'}", f"in        {opened.home.journal}"]
    lines += [
        f"model     {name}: {'recorded' if yes else 'not recorded'}" for name, yes in consent.models.items()
    ]
    lines += [
        f"client    {name}: {'recorded' if yes else 'not recorded'}" for name, yes in consent.clients.items()
    ]
    if gateway is not None:
        lines.append(
            f"gateway   {gateway.recorded} recorded since it began, {gateway.dropped} too many at once, "
            f"{gateway.unreadable} unreadable, {gateway.failed} not stored"
        )
    payload = {
        "recording": not why,
        "why_not": why,
        "journal": str(opened.home.journal),
        "models": consent.models,
        "clients": consent.clients,
        "gateway": gateway,
    }
    emit(payload, lambda: "\n".join(lines), as_json=as_json)


@command.command()
@_models
@_clients
@json_option
def on(models: tuple[str, ...], clients: tuple[str, ...], as_json: bool) -> None:
    """Record from now on: everything of this home's models, or what --model and --client name."""
    changed = _changed(models, clients, recorded=True)
    emit(changed, lambda: _said(changed, "recorded from now on", models, clients), as_json=as_json)


@command.command()
@_models
@_clients
@json_option
def off(models: tuple[str, ...], clients: tuple[str, ...], as_json: bool) -> None:
    """Record nothing from now on, or nothing of what --model and --client name. What was said meanwhile stays out."""
    changed = _changed(models, clients, recorded=False)
    emit(changed, lambda: _said(changed, "not recorded from now on", models, clients), as_json=as_json)


@command.command()
def path() -> None:
    """Show the folder of the conversation log."""
    click.echo(str(workshop().home.journal))


def _changed(models: tuple[str, ...], clients: tuple[str, ...], *, recorded: bool) -> Consent:
    from laimark_sidecar.errors import ConfigError
    from laimark_sidecar.pipeline.control import say_consent

    opened = workshop()
    if recorded and not opened.config.journal.record:
        raise ConfigError(
            "journal.record is false, so nothing is recorded whatever is said here",
            hint="laimark-sidecar config path, and set journal.record = true there",
        )

    def said(consent: Consent) -> Consent:
        for model in models:
            consent = consent.with_model(model, recorded=recorded)
        for client in clients:
            consent = consent.with_client(client, recorded=recorded)
        if not models and not clients:
            now_s = opened.clock.now_s()
            consent = consent.switched_on(OFF, now_s) if recorded else consent.switched_off(OFF, now_s)
        return consent

    return say_consent(opened.home, said)


def _said(consent: Consent, what: str, models: tuple[str, ...], clients: tuple[str, ...]) -> str:
    named = [*(f"model {name}" for name in models), *(f"client {name}" for name in clients)]
    lines = [f"{', '.join(named) or 'conversations'}: {what}"]
    left = [*_refused("model", consent.models, models), *_refused("client", consent.clients, clients)]
    if what.startswith("recorded") and not named and left:
        lines.append(f"still not recorded: {', '.join(left)} (laimark-sidecar logs on --model or --client)")
    if "pause" in consent.reasons():
        lines.append("paused, so nothing is recorded before: laimark-sidecar resume")
    return "\n".join(lines)


def _refused(kind: str, rules: dict[str, bool], named: tuple[str, ...]) -> list[str]:
    return [f"{kind} {name}" for name, yes in rules.items() if not yes and name not in named]
