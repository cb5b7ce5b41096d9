"""Where the logs of other programs usually are, so that `sources add KIND` needs no path."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path


def usual_places(kind: str, environment: Mapping[str, str], user: Path, *, platform: str) -> tuple[Path, ...]:
    """Return the places to look at, the likeliest first; none for a kind that has no usual place.

    Args:
        kind: of the source.
        environment: for the variables by which these programs are moved.
        user: the user's own folder.
        platform: as `sys.platform` names it.
    """
    support = {"darwin": user / "Library/Application Support", "win32": _appdata(environment, user)}
    config = support.get(platform, Path(environment.get("XDG_CONFIG_HOME") or user / ".config"))
    local = Path(environment.get("LOCALAPPDATA") or user / "AppData/Local") if platform == "win32" else config
    data, moved = environment.get("DATA_DIR"), environment.get("LLM_USER_PATH")
    places: dict[str, tuple[Path, ...]] = {
        "continue": (Path(environment.get("CONTINUE_GLOBAL_DIR") or user / ".continue") / "dev_data",),
        "llm": (Path(moved) if moved else config / "io.datasette.llm",),
        "lm-studio": (user / ".lmstudio/conversations", user / ".cache/lm-studio/conversations"),
        "ollama-desktop": (local / "Ollama",),
        "ollama-requests": (Path(tempfile.gettempdir()),),
        "open-webui": (
            *([Path(data)] if data else []),
            user / ".open-webui",
            user / "open-webui/backend/data",
        ),
        "sillytavern": (user / "SillyTavern/data",),
    }
    return places.get(kind, ())


def _appdata(environment: Mapping[str, str], user: Path) -> Path:
    return Path(environment.get("APPDATA") or user / "AppData/Roaming")
