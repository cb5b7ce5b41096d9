"""Overrides from the environment: `LAIMARK_<SECTION>_<KEY>`, for example `LAIMARK_TRAINING_STEPS=100`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from laimark_sidecar.config.keys import Key, Value
from laimark_sidecar.errors import ConfigError

PREFIX = "LAIMARK_"
OTHERS = (
    "LAIMARK_HOME",
    "LAIMARK_LLAMA_SERVER",
    "LAIMARK_LLAMA_CPP_SOURCE",
    "LAIMARK_LITELLM_PYTHON",
    "LAIMARK_LIVE",
)
"""Variables that are no key of the configuration."""
_MISSPELT = 0.85
"""How like a known name another one must be to be taken for a slip."""
_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def variable(key: Key) -> str:
    """Return the variable that overrides a key: `training.steps` → `LAIMARK_TRAINING_STEPS`."""
    return f"{PREFIX}{key.section}_{key.name}".upper()


def environment_values(environ: Mapping[str, str], keys: tuple[Key, ...]) -> dict[str, Value]:
    """Return the checked values that the environment sets, by `section.key`.

    A variable that begins like a section's but names no key of it is an error: a typo would otherwise go unseen.

    Raises:
        ConfigError: an unknown key, a wrong type, or a value out of its range; names the variable.
    """
    by_variable = {variable(key): key for key in keys}
    prefixes = tuple({f"{PREFIX}{key.section}_".upper() for key in keys})
    values: dict[str, Value] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(prefixes):
            _refuse_misspelt(name, by_variable)
            continue
        key = by_variable.get(name)
        if key is None:
            nearest = difflib.get_close_matches(name, by_variable, n=1, cutoff=0.5)
            hint = (
                f"did you mean {nearest[0]}?" if nearest else "`laimark-sidecar config show` lists every key"
            )
            raise ConfigError(f"{name} in the environment sets no known key", hint=hint)
        value = _parse(key, text)
        if problem := key.problem(value):
            raise ConfigError(f"{name} in the environment: {problem}", hint=key.doc)
        values[key.path] = value
    return values


def _refuse_misspelt(name: str, known: Mapping[str, Key]) -> None:
    """Raise where a variable looks like one of ours and is none; others with our prefix are somebody else's."""
    if not name.startswith(PREFIX) or name in OTHERS:
        return
    nearest = difflib.get_close_matches(name, (*known, *OTHERS), n=1, cutoff=_MISSPELT)
    if nearest:
        raise ConfigError(f"{name} in the environment means nothing", hint=f"did you mean {nearest[0]}?")


def _parse(key: Key, text: str) -> Value:
    """Read text as the key's kind; text that is no such thing comes back as it is, for the check to refuse."""
    try:
        match key.kind:
            case "bool":
                return _BOOLS.get(text.strip().lower(), text)
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "str":
                return text
    except ValueError:
        return text
