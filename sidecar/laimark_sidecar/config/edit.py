"""Changes keys of `config.toml` in place: comments, order and everything else stay as the user wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from laimark_sidecar.config.keys import Value
from laimark_sidecar.config.load import load
from laimark_sidecar.files import write_atomic

Changes = Mapping[str, Mapping[str, Value | None]]
"""By section and key; None removes the key, which then has its default."""


def edit(path: Path, changes: Changes) -> None:
    """Change keys, durably and all at once.

    Raises:
        ConfigError: the file is not valid as it is.
    """
    import tomlkit

    load(path, {})
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for section, keys in changes.items():
        if section not in document:
            document.add(section, tomlkit.table())
        table = document[section]
        assert isinstance(table, dict), "a valid configuration holds tables"
        for key, value in keys.items():
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
    write_atomic(path, tomlkit.dumps(document).encode())


def written(path: Path, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, Value | None]]:
    """Return what a file says of some keys, so that `edit` can bring it back; None where it says nothing.

    Args:
        path: of a valid `config.toml`.
        wanted: keys by section.
    """
    import tomllib

    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        section: {key: document.get(section, {}).get(key) for key in keys} for section, keys in wanted.items()
    }
