"""Names of versions, refs and roles: one alphabet, checked in one place, safe as file names everywhere.

Lower case ASCII only: two names that differ in case would be one file on some file systems, and a look-alike
letter from another alphabet would be another version with the same face.
"""

from __future__ import annotations

import re

from laimark_sidecar.errors import DataError

BASE = "base"
"""Reserved: the frozen base model, which is never a version and never moves."""

_PART = r"[a-z0-9][a-z0-9._-]{0,39}"
_NAME = re.compile(rf"{_PART}(:{_PART})?")
_REF = re.compile(_PART)
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".json"


def validate_name(name: str) -> str:
    """Return `name` if it is a well-formed version or served name, such as `me:2026-11-22-3f9a` or `me:latest`.

    Raises:
        DataError: it is not; path separators, `..`, NUL, capitals, other alphabets and long names are all refused.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise DataError(
            f"{_shown(name)} is not a valid name",
            hint="use at most 40 of a-z 0-9 . _ - on each side of one optional ':'",
        )
    return name


def validate_version_name(name: str) -> str:
    """Return `name` if it may name a version: well-formed and of two parts, prefix and identity.

    Raises:
        DataError: it is not.
    """
    if ":" not in validate_name(name):
        raise DataError(
            f"{_shown(name)} is not a version name", hint="a version is named like me:2026-11-22-3f9a"
        )
    return name


def validate_ref(ref: str) -> str:
    """Return `ref` if it may name a moving pointer such as `latest`; `base` is reserved.

    Raises:
        DataError: it is malformed or reserved.
    """
    if not _REF.fullmatch(ref) or ".." in ref or ref == BASE:
        raise DataError(f"{_shown(ref)} cannot be a ref", hint="refs are short names such as latest or prev")
    return ref


def validate_role(role: str) -> str:
    """Return `role` if an object may be checked out under it as a file name.

    Raises:
        DataError: it could leave the folder or hide in it.
    """
    if not _ROLE.fullmatch(role) or ".." in role:
        raise DataError(f"{_shown(role)} cannot name an object's role")
    return role


def validate_sha256(sha256: str) -> str:
    """Return `sha256` if it is 64 lower-case hex digits.

    Raises:
        DataError: it is not.
    """
    if not _SHA256.fullmatch(sha256):
        raise DataError(f"{_shown(sha256)} is not a sha256")
    return sha256


def file_name(name: str) -> str:
    """Return the file that holds a version: `me:2026-11-22-3f9a` is kept in `me@2026-11-22-3f9a.json`.

    A colon means a drive or a stream to Windows; `@` is in no name, so nothing collides.
    """
    return validate_version_name(name).replace(":", "@") + _SUFFIX


def name_of_file(file: str) -> str | None:
    """Return the version's name that `file` stands for, or None where no version is kept under such a name."""
    if not file.endswith(_SUFFIX):
        return None
    name = file.removesuffix(_SUFFIX).replace("@", ":")
    try:
        return name if file_name(name) == file else None
    except DataError:
        return None


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:57] + "...")
