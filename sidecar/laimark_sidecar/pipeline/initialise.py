"""Makes a home. Safe to repeat: what is there already is left as it is."""

from __future__ import annotations

import tomlkit

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.config.render import render_default
from laimark_sidecar.files import DIR_MODE, make_dir, write_atomic
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import token
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.replay.store import ReplayStore

Setting = str | int | float | bool


def initialise(home: Home, *, record: bool, settings: dict[str, dict[str, Setting]] | None = None) -> bool:
    """Create folders, configuration, token, registry and buffer; the configuration comes last and commits it.

    Args:
        home: where.
        record: whether the runner may record conversations.
        settings: section → key → value, written into the new configuration instead of the defaults.

    Returns:
        Whether it was made now; False when it was there.
    """
    if home.config.is_file():
        return False
    make_dir(home.root).chmod(DIR_MODE)
    for folder in (home.journal, home.cycles, home.bases, home.control):
        make_dir(folder)
    token(home)
    clock = SystemClock()
    Registry.open(home.registry, clock=clock)
    ReplayStore.open(home.replay, clock=clock).close()
    document = tomlkit.parse(render_default())
    chosen = {**(settings or {})}
    chosen["journal"] = {**chosen.get("journal", {}), "record": record}
    for section, keys in chosen.items():
        for key, value in keys.items():
            document[section][key] = value
    write_atomic(home.config, tomlkit.dumps(document).encode())
    return True
