"""Permissively licensed packages of this project's own environment whose source joins the training text.

The standard library hardly knows type hints, dataclasses or async code; these packages are written in the
style that people write today. ``scripts/setup/constraints.txt`` pins most of their versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# Import name -> (distribution, licence as its metadata and LICENSE file state it).
PACKAGES: Mapping[str, tuple[str, str]] = {
    "_pytest": ("pytest", "MIT"),
    "accelerate": ("accelerate", "Apache-2.0"),
    "anyio": ("anyio", "MIT"),
    "click": ("click", "BSD-3-Clause"),
    "coverage": ("coverage", "Apache-2.0"),
    "filelock": ("filelock", "MIT"),
    "fsspec": ("fsspec", "BSD-3-Clause"),
    "hatchling": ("hatchling", "MIT"),
    "httpcore": ("httpcore", "BSD-3-Clause"),
    "httpx": ("httpx", "BSD-3-Clause"),
    "huggingface_hub": ("huggingface_hub", "Apache-2.0"),
    "importlinter": ("import-linter", "BSD-2-Clause"),
    "jinja2": ("jinja2", "BSD-3-Clause"),
    "msgspec": ("msgspec", "BSD-3-Clause"),
    "mypy": ("mypy", "MIT"),
    "networkx": ("networkx", "BSD-3-Clause"),
    "packaging": ("packaging", "Apache-2.0 OR BSD-2-Clause"),
    "peft": ("peft", "Apache-2.0"),
    "platformdirs": ("platformdirs", "MIT"),
    "pluggy": ("pluggy", "MIT"),
    "pydantic": ("pydantic", "MIT"),
    "rich": ("rich", "MIT"),
    "starlette": ("starlette", "BSD-3-Clause"),
    "tomlkit": ("tomlkit", "MIT"),
    "typer": ("typer", "MIT"),
    "urllib3": ("urllib3", "MIT"),
    "uvicorn": ("uvicorn", "BSD-3-Clause"),
    "watchdog": ("watchdog", "Apache-2.0"),
    "xdist": ("pytest-xdist", "MIT"),
}


def package_folders() -> list[Path]:
    """Return the folder of every package.

    Raises:
        FileNotFoundError: One is not installed.
    """
    return [_folder(name) for name in PACKAGES]


def package_versions() -> list[tuple[str, str, str]]:
    """Return distribution, version and licence of every package."""
    return [(name, version(name), licence) for name, licence in PACKAGES.values()]


def _folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"package {name} is not installed: run this in the environment of ./scripts/test"
        )
    return Path(spec.origin).parent
