"""Which names are served, and which version answers to each: a pure table, locked by its owner."""

from __future__ import annotations

import re

from laimark_sidecar.runners.embedded.api_error import ApiError, unknown_model

_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,127}", re.ASCII)


class NameTable:
    """The base name, immutable versions, and moving names that point at a version or at the base (`""`)."""

    def __init__(self, base_name: str) -> None:
        self.base_name = base_name
        self._versions: set[str] = set()
        self._pointers: dict[str, str] = {}

    def names(self) -> dict[str, str]:
        """Return every served name with the version behind it, base first."""
        versions = {version: version for version in sorted(self._versions)}
        return {self.base_name: ""} | versions | dict(sorted(self._pointers.items()))

    def resolve(self, name: str) -> str:
        """Return the version that answers to `name`, `""` for the base.

        Raises:
            ApiError: 404 that lists the served names.
        """
        served = self.names()
        if name not in served:
            raise unknown_model(name, list(served))
        return served[name]

    def check_new_version(self, version: str) -> None:
        """Raise unless `version` may become an immutable name.

        Raises:
            ApiError: 400 for a malformed name, 409 for one that is the base's or a moving name.
        """
        _check_form(version)
        if version == self.base_name or version in self._pointers:
            raise ApiError(409, f"{version!r} is already the name of something else", code="name_taken")

    def add_version(self, version: str) -> None:
        """Serve a version under its own name."""
        self.check_new_version(version)
        self._versions.add(version)

    def point(self, name: str, version: str) -> None:
        """Let `name` answer with `version` from the next request on.

        Raises:
            ApiError: 400 malformed name, 404 unknown version, 409 the name is immutable.
        """
        _check_form(name)
        if name == self.base_name or name in self._versions:
            raise ApiError(409, f"{name!r} is an immutable name and cannot be moved", code="name_immutable")
        if version and version not in self._versions:
            raise unknown_model(version, sorted(self._versions))
        self._pointers[name] = version

    def unpoint(self, name: str) -> None:
        """Stop serving a moving name; one that is not there is fine.

        Raises:
            ApiError: 409 for the base's name or a version's.
        """
        if name == self.base_name or name in self._versions:
            raise ApiError(409, f"{name!r} is not a moving name", code="name_immutable")
        self._pointers.pop(name, None)

    def remove_version(self, version: str) -> bool:
        """Stop serving a version. Returns whether it was there.

        Raises:
            ApiError: 409 for the base, or while a moving name points at it (that name would go dead).
        """
        if version == self.base_name:
            raise ApiError(409, f"{version!r} is the base and cannot be withdrawn", code="name_immutable")
        holders = sorted(name for name, target in self._pointers.items() if target == version)
        if holders:
            raise ApiError(
                409,
                f"{version!r} still answers for {', '.join(holders)}: point that elsewhere first",
                code="in_use",
            )
        if version not in self._versions:
            return False
        self._versions.remove(version)
        return True


def _check_form(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ApiError(
            400,
            f"name {name[:200]!r} is malformed: a letter or digit, then up to 127 of letters, digits and . : / @ + - _",
            code="bad_name",
        )
