"""Reads `config.toml` and the environment into a `Config`, and says precisely what it cannot accept."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laimark_sidecar.config.environment import environment_values
from laimark_sidecar.config.keys import Key, Value
from laimark_sidecar.config.lines import line_of
from laimark_sidecar.config.schema import SECTIONS, Config, all_keys, make
from laimark_sidecar.errors import ConfigError

Origin = Literal["default", "file", "environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key with the value in force and where that came from."""

    key: Key
    value: Value
    origin: Origin


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration in force: the environment over the file over the defaults.

    Args:
        path: `config.toml`; a missing file means the defaults.
        environ: where `LAIMARK_<SECTION>_<KEY>` is looked up; the process's environment by default.

    Raises:
        ConfigError: not TOML, an unknown section or key, a wrong type, or a value out of its range.
    """
    return assemble(load_settings(path, environ), path)


def assemble(settings: Iterable[Setting], path: Path) -> Config:
    """Build the configuration from settings that are valid one by one.

    Raises:
        ConfigError: two of them contradict each other.
    """
    values: dict[str, dict[str, object]] = {}
    for setting in settings:
        values.setdefault(setting.key.section, {})[setting.key.name] = setting.value
    try:
        return make(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", hint=_HINT) from error


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> tuple[Setting, ...]:
    """Return every key with the value in force and its origin, in the order of the written file.

    Raises:
        ConfigError: as for `load`, except for contradictions between keys.
    """
    keys = all_keys()
    in_file = _file_values(path, keys)
    in_environment = environment_values(os.environ if environ is None else environ, keys)
    return tuple(_setting(key, in_file, in_environment) for key in keys)


_HINT = "`laimark-sidecar config show` lists every key with its default"


def _setting(key: Key, in_file: Mapping[str, Value], in_environment: Mapping[str, Value]) -> Setting:
    if key.path in in_environment:
        return Setting(key=key, value=in_environment[key.path], origin="environment")
    if key.path in in_file:
        return Setting(key=key, value=in_file[key.path], origin="file")
    return Setting(key=key, value=key.default, origin="default")


def _file_values(path: Path, keys: tuple[Key, ...]) -> dict[str, Value]:
    """Return the checked values of the file by `section.key`."""
    text = _read(path)
    if text is None:
        return {}
    if not text.strip():
        raise ConfigError(
            f"{path} is empty: was an edit of it interrupted?",
            hint="put back what stood there; or remove it, which means every default",
        )
    by_path = {key.path: key for key in keys}
    sections = [name for name, _ in SECTIONS]
    values: dict[str, Value] = {}
    for section, table in _parse(text, path).items():
        where = f"{path}:{line_of(text, section)}"
        if section not in sections:
            raise ConfigError(f"{where}: unknown section [{section}]", hint=_nearest(section, sections))
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: {section} is {table!r}, expected a section [{section}]", hint=_HINT)
        for name, value in table.items():
            where = f"{path}:{line_of(text, section, name)}"
            key = by_path.get(f"{section}.{name}")
            if key is None:
                names = [known.name for known in keys if known.section == section]
                raise ConfigError(f"{where}: unknown key {section}.{name}", hint=_nearest(name, names))
            if problem := key.problem(value):
                raise ConfigError(f"{where}: {problem}", hint=key.doc)
            values[key.path] = float(value) if key.kind == "float" else value
    return values


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")  # editors on Windows still write a byte order mark
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _parse(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and what int() and nesting refuse
        raise ConfigError(
            f"{path}: not valid TOML: {error}", hint='texts need quotes: name = "me"'
        ) from error


def _nearest(name: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {matches[0]!r}?" if matches else f"there are: {', '.join(known)}"
