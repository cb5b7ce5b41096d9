"""The local names of an Ollama, with what they say of themselves."""

from __future__ import annotations

from collections.abc import Collection

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.ollama.api import OllamaApi, Shown, Tag
from laimark_sidecar.runners.ollama.connection import OllamaRefusedError
from laimark_sidecar.runners.ollama.marker import UNCHECKED, Marker, Name, canonical, is_ours, parse
from laimark_sidecar.runners.ollama.settings import settings
from laimark_sidecar.runners.ollama.shown import layers


class Catalogue:
    """Reads names and decides which are ours. A manifest's digest is asked about once: its content cannot change.

    Args:
        api: of the server.
        base: name of the pristine base.
        moving: names that only we point.
        versions: names of ours that may be called otherwise before the colon than those. All others of ours are called
            alike there: who has a hundred models is not asked about each.
    """

    def __init__(
        self, api: OllamaApi, base: str, moving: Collection[str], versions: Collection[str] = ()
    ) -> None:
        self._api = api
        self._base = base
        self._moving = {canonical(name): name for name in moving}
        self._called = {_before_the_tag(canonical(name)) for name in (*moving, *versions)}
        self._markers: dict[str, Marker | None] = {}

    def read(self) -> dict[str, Name]:
        """Return all local names, in canonical form, with what each says of itself.

        Raises:
            RunnerError: the server is not there.
        """
        found = {}
        for tag in self._api.tags():
            name = canonical(tag.name)
            if _before_the_tag(name) not in self._called:
                found[name] = Name(digest=tag.digest, marker=None)
            elif self._know(tag):
                found[name] = Name(digest=tag.digest, marker=self._markers[tag.digest])
        return found

    def _know(self, tag: Tag) -> bool:
        """Ask what a manifest says of itself, once; False where it was deleted since it was listed."""
        if tag.digest not in self._markers:
            try:
                self._markers[tag.digest] = parse(self._api.show(tag.name).license)
            except OllamaRefusedError as error:
                if error.status != 404:
                    raise
                return False
        return True

    def ours(self, name: str, names: dict[str, Name]) -> bool:
        """Say whether we made a name, and nobody made something else of it since."""
        name = canonical(name)
        ours = name != canonical(self._base) and is_ours(name, names, self._moving.keys())
        return ours and not self._is_altered(name, names)

    def _is_altered(self, name: str, names: dict[str, Name]) -> bool:
        """Say whether a moving name is no copy of its version: what a user built FROM ours bears our marker too.

        One that is another build of the same version, as after it was deleted and registered anew, still is ours.
        """
        marker = names[name].marker
        version = canonical(marker.version) if marker and marker.version else ""
        if name not in self._moving or version not in names or names[version].digest == names[name].digest:
            return False
        return settings(self._api.show(name)) != settings(self._api.show(version))

    def served(self, names: dict[str, Name]) -> dict[str, str]:
        """Return the base and the names of ours, as the caller spells them, with the version behind each."""
        found = {self._base: ""} if canonical(self._base) in names else {}
        for name, known in names.items():
            if known.marker and not name.endswith(UNCHECKED) and self.ours(name, names):
                version = known.marker.version
                found[version if canonical(version) == name else self._moving.get(name, name)] = version
        return found

    def check_free(self, name: str, names: dict[str, Name]) -> None:
        """Refuse a name that somebody else made, or that could not be told from one later.

        Raises:
            RunnerError: it exists and is not ours, or is called unlike all names of ours.
        """
        if canonical(name) in names and not self.ours(name, names):
            raise RunnerError(
                f"{name} in Ollama was not made by laimark-sidecar, so it is left as it is",
                hint=f"keep it under another name (ollama cp {name} mine) and remove it, or choose another name here",
            )
        if _before_the_tag(canonical(name)) not in self._called:
            raise RunnerError(
                f"{name} is called unlike all names of ours",
                hint=f"such as {', '.join(self._moving.values())}",
            )

    def local_base(self) -> Shown:
        """Return what the base is made of, which is local.

        Looked at before every create, because Ollama pulls a `from` that is not local from the network.

        Raises:
            RunnerError: it is not local.
        """
        if canonical(self._base) not in {canonical(tag.name) for tag in self._api.tags()}:
            raise RunnerError(
                f'Ollama at {self._api.url} has no model "{self._base}"',
                hint=f"get it with: ollama pull {self._base}",
            )
        return self._api.show(self._base)

    def pristine_base(self) -> Shown:
        """Return what the base is made of; it is local, nothing of ours is in it, and it has no adapter.

        Raises:
            RunnerError: it is not local, or not pristine.
        """
        shown = self.local_base()
        if layers(shown.modelfile).adapters or parse(shown.license):
            raise RunnerError(
                f"{self._base} in Ollama is tuned already; another adapter would stack on it",
                hint="name the pristine base in the configuration",
            )
        return shown


def _before_the_tag(name: str) -> str:
    return name.rpartition(":")[0]
