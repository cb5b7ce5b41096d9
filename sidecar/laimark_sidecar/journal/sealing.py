"""Lines that only the holder of a key can read: each is an age message of its own (age-encryption.org, X25519).

Who writes needs no secret: `seal.json` in the journal's folder names the recipient, and where its key lies. A sealed line
shows type, id, length and, by its segment, its day; nothing of what was said. Plain and sealed lines may stand in one
journal, so it can be turned on and off at any time; what was written before stays as it is.
"""

from __future__ import annotations

import base64
import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json, decode_versioned
from laimark_sidecar.errors import DataError, MissingExtraError, StateError
from laimark_sidecar.files import write_atomic

FORMAT_VERSION = 1
SEALED = b'{"type":"sealed","version":2,'
_EXTRA = "pip install 'laimark-sidecar[encryption]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """`seal.json`."""

    recipient: str
    """Public key for new lines; empty: new lines are plain."""
    key_file: str
    version: int = FORMAT_VERSION


class _Line(msgspec.Struct):
    body: str


def read_seal(folder: Path) -> Seal | None:
    """Return what the journal says of its sealing; None where it was never turned on.

    Raises:
        StateError: damaged, or of a newer version.
    """
    path = folder / "seal.json"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return decode_versioned(
        content,
        Seal,
        newest=FORMAT_VERSION,
        what=str(path),
        hint="move it away; it is written anew from the configuration",
    )


def turn_on(folder: Path, key_file: Path) -> None:
    """Seal new lines for the key in `key_file`, which is made, owner-only, where it is not there yet.

    Raises:
        MissingExtraError: pyrage is not installed.
        StateError: the file holds no key.
    """
    age = _age()
    if not key_file.exists():
        write_atomic(key_file, f"{age.x25519.Identity.generate()}\n".encode())
    recipient = str(_identity(key_file).to_public())
    write_atomic(folder / "seal.json", msgspec.json.encode(Seal(recipient=recipient, key_file=str(key_file))))


def turn_off(folder: Path) -> None:
    """Write new lines plainly; the sealed ones stay sealed, and the key is still needed to read them."""
    seal = read_seal(folder)
    if seal and seal.recipient:
        write_atomic(folder / "seal.json", msgspec.json.encode(Seal(recipient="", key_file=seal.key_file)))


class Sealer:
    """Seals lines for the recipient that a journal names, or leaves them plain where it names none.

    Raises:
        OSError: lines are to be sealed and cannot be: nothing is ever written plainly instead.
    """

    def __init__(self, folder: Path) -> None:
        self._recipient: Any = None
        try:
            seal = read_seal(folder)
            if seal and seal.recipient:
                self._recipient = _recipient(seal.recipient)
        except (StateError, MissingExtraError) as error:
            raise OSError(errno.EACCES, f"the journal cannot be sealed: {error}", str(folder)) from error

    def sealed(self, line: bytes, record_id: str) -> bytes:
        """Return the line as it is to be written."""
        if self._recipient is None:
            return line
        body = base64.b64encode(_age().encrypt(line, [self._recipient]))
        return SEALED + f'"id":"{record_id}","body":"'.encode() + body + b'"}\n'


class Opener:
    """Opens sealed lines of one journal; the key is read at the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key: Any = None

    def opened(self, line: bytes) -> bytes:
        """Return the line as it was before it was sealed; a plain one as it is.

        Raises:
            StateError: the key is not there. With it, the line can be read again.
            DataError: the line is damaged.
            MissingExtraError: pyrage is not installed.
        """
        if not line.startswith(SEALED):
            return line
        if self._key is None:
            self._key = self._read_key()
        try:
            body = base64.b64decode(decode_json(line, _Line).body, validate=True)
        except (MalformedError, ValueError) as error:
            raise DataError(f"sealed journal line is malformed: {error}") from error
        try:
            content: bytes = _age().decrypt(body, [self._key])
        except _age().DecryptError as error:
            raise DataError(f"sealed journal line is damaged, or sealed for another key: {error}") from error
        return content

    def _read_key(self) -> Any:
        seal = read_seal(self._folder)
        if seal is None:
            raise StateError(
                f"{self._folder} holds sealed lines, but no seal.json that says where their key is",
                hint="set journal.encrypt = true and journal.key_file, then: laimark-sidecar status",
            )
        return _identity(Path(seal.key_file))


def _recipient(text: str) -> Any:
    age = _age()
    try:
        return age.x25519.Recipient.from_str(text)
    except age.RecipientError as error:
        raise StateError(f"seal.json names no age recipient: {error}", hint="move it away") from error


def _identity(key_file: Path) -> Any:
    age = _age()
    try:
        lines = key_file.read_text(encoding="ascii").split("\n")
        # Files of age-keygen have comments before the key.
        (key,) = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return age.x25519.Identity.from_str(key)
    except FileNotFoundError as error:
        raise StateError(
            f"the journal's key {key_file} is gone: sealed lines cannot be read",
            hint="put it back; if it is lost for good, remove seal.json from the journal: a new key is made, and what was "
            "sealed for the old one is stepped over",
        ) from error
    except (ValueError, age.IdentityError) as error:
        raise StateError(
            f"{key_file} holds no age key (one line AGE-SECRET-KEY-1...)", hint="put back the right file"
        ) from error


def _age() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise MissingExtraError("sealed journals need the package pyrage", hint=_EXTRA) from error
    return pyrage
