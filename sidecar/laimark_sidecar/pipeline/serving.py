"""What the embedded runner is started with: the base, the newest versions of it, and the names that move."""

from __future__ import annotations

import logging

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.connect import driver, token
from laimark_sidecar.pipeline.following import adapters, pointers
from laimark_sidecar.pipeline.taint import tainted, told
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.embedded.settings import ServeSettings

log = logging.getLogger(__name__)
_ELSEWHERE = {
    "llama-server": "start it with: laimark-sidecar runner start",
    "ollama": "Ollama answers by itself; the daemon is: laimark-sidecar run",
    "embedded": "",
}
BASE = "base"
"""The frozen base answers to its own name and to this one."""


def serve_settings(workshop: Workshop) -> ServeSettings:
    """Return the settings of the embedded runner; the registry is the truth that it starts from.

    Raises:
        ConfigError: the configuration names another runner.
    """
    config = workshop.config
    if config.runner.kind != "embedded":
        raise ConfigError(
            f'runner.kind is "{config.runner.kind}", which is no part of `serve`',
            hint=_ELSEWHERE[driver(config)],
        )
    versions = adapters(workshop)
    for name in sorted(tainted(workshop) & {*workshop.registry.refs().values()}):
        log.warning("%s", told(name), extra=action("serve.tainted"))
    return ServeSettings(
        base_path=workshop.base.gguf,
        base_name=config.base.name,
        host=config.runner.host,
        port=config.runner.port,
        token=token(workshop.home),
        journal_folder=workshop.home.journal,
        record=config.journal.record,
        consent=workshop.home.recording,
        fsync=config.journal.fsync,
        segment_bytes=config.journal.segment_mib << 20,
        context=config.runner.context,
        threads=config.runner.threads,
        adapters=versions,
        names={BASE: "", **pointers(workshop, versions)},
    )
