"""Which base model is served, and which one is trained: the same weights, as a GGUF and as a folder for the trainer."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.config.schema import Config
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import BaseChangedError, ConfigError, ConversionError, RunnerError
from laimark_sidecar.files import make_dir, sha256_file, write_atomic
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.identity import identify as measure
from laimark_sidecar.logs import action
from laimark_sidecar.paths import Home, expanded, modelfiles
from laimark_sidecar.pipeline.convert import convert_base, require_whole
from laimark_sidecar.registry.version import BaseIdentity

log = logging.getLogger(__name__)
SHIPPED = "demo_base"
MADE_FOLDER = "training-base"
"""In the cache of a base whose folder is made from its GGUF."""
SMALLEST_CONTEXT = 64
"""Enough to read the header: a full one would allocate the KV cache of a model that is served already."""

_CHANGED = "its bytes are not those that were written"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBase:
    """The base as the runner serves it (`gguf`) and as the trainer loads it (`hf_dir`)."""

    hf_dir: Path
    """A Hugging Face folder; where `hf_made`, it is there after `pipeline.training_base.ensure_training_base`."""
    gguf: Path
    identity: BaseIdentity
    cache: Path
    """Folder for what is derived from exactly these bytes: core answers, core curvature, a made `hf_dir`."""
    core: Path
    """The core set that was built for these bytes, if one was."""
    hf_made: bool = False
    """`hf_dir` is made from `gguf`, once, when training first needs it: gigabytes that no other command waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    path: str
    size: int
    mtime_ns: int
    inode: int
    identity: BaseIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class _RememberedFolder:
    listing: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Lies beside a GGUF that we made. One of an earlier release has none and is trusted once."""

    sha256: str


_Note = TypeVar("_Note", _Remembered, _RememberedFolder, _Made)


def resolve(home: Home, config: Config) -> ServedBase:
    """Find the base that the configuration names, making its GGUF when only a folder is given.

    It is made once, and again when it is found damaged: equal folders give equal bytes, so the versions stay valid.
    Where only a GGUF is given, its folder is named here and made when training needs it.

    Raises:
        ConfigError: the folder or file is not there, damaged, or begins with the tilde of an unknown user.
        ConversionError: the folder holds a model that cannot be written as a GGUF faithfully.
        RunnerError: the GGUF is whole, and llama.cpp cannot load it.
    """
    if config.base.gguf and not config.base.hf:
        gguf = expanded(config.base.gguf, named_by="base.gguf")
        identity = _identify_named(home, gguf, name=config.base.name)
        made = home.bases / identity.sha256[:16] / MADE_FOLDER
        return _served(home, hf_dir=made, gguf=gguf, identity=identity, hf_made=True)
    hf_dir = expanded(config.base.hf, named_by="base.hf") if config.base.hf else modelfiles() / SHIPPED
    if not (hf_dir / "config.json").is_file():
        raise ConfigError(
            f"base.hf: {hf_dir} holds no config.json",
            hint="set base.hf to a Hugging Face model folder, or to '' for the shipped demo base",
        )
    if config.base.gguf:
        gguf = expanded(config.base.gguf, named_by="base.gguf")
        identity = _identify_named(home, gguf, name=config.base.name)
    else:
        gguf = _made_gguf(home, hf_dir)
        identity = _identify_made(home, gguf, hf_dir, name=config.base.name)
    return _served(home, hf_dir=hf_dir, gguf=gguf, identity=identity, hf_made=False)


def _served(home: Home, *, hf_dir: Path, gguf: Path, identity: BaseIdentity, hf_made: bool) -> ServedBase:
    key = identity.sha256[:16]
    return ServedBase(
        hf_dir=hf_dir,
        gguf=gguf,
        identity=identity,
        cache=home.bases / key,
        core=home.core / f"{key}.jsonl",
        hf_made=hf_made,
    )


def identify(home: Home, gguf: Path, *, name: str) -> BaseIdentity:
    """Return the identity of the bytes in `gguf` now; hashing is skipped while size, time and inode stay the same.

    Raises:
        RunnerError: the file is not a GGUF that llama.cpp can read.
    """
    stat = gguf.stat()
    key = hashlib.sha256(str(gguf.resolve()).encode()).hexdigest()[:16]
    note = home.bases / f"identity-{key}.json"
    remembered = _read_note(note, _Remembered)
    if remembered and (remembered.size, remembered.mtime_ns, remembered.inode) == (
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ino,
    ):
        return remembered.identity
    with Base(gguf, context=SMALLEST_CONTEXT) as base:
        facts = measure(base)
    identity = BaseIdentity(
        sha256=facts.sha256,
        architecture=facts.architecture,
        template_sha256=facts.template_sha256,
        tokenizer_sha256=facts.tokenizer_sha256,
        name=name,
    )
    fresh = _Remembered(
        path=str(gguf), size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino, identity=identity
    )
    write_atomic(note, msgspec.json.encode(fresh))
    return identity


def require_same(expected: BaseIdentity, found: BaseIdentity, *, where: str) -> None:
    """Refuse to mix adapters with another base.

    Raises:
        BaseChangedError: the bytes differ; both digests are named.
    """
    if expected.sha256 != found.sha256:
        raise BaseChangedError(
            f"{where}: made for base {expected.name or '?'} ({expected.sha256[:12]}), "
            f"but {found.name or '?'} ({found.sha256[:12]}) is served now",
            hint="restart `serve` and `run` to go on with the new base, or point [base] back at the old one; "
            "versions of the old base stay in the registry",
        )


def _identify_named(home: Home, gguf: Path, *, name: str) -> BaseIdentity:
    if not gguf.is_file():
        raise ConfigError(
            f"base.gguf: {gguf} is not there", hint="set base.gguf to the file that the runner serves"
        )
    try:
        return identify(home, gguf, name=name)
    except RunnerError:  # llama.cpp says only that it cannot load it
        try:
            require_whole(gguf)
        except ConversionError as flaw:
            raise ConfigError(f"base.gguf: {flaw}", hint=flaw.hint) from flaw
        raise


def _identify_made(home: Home, gguf: Path, hf_dir: Path, *, name: str) -> BaseIdentity:
    """Return the identity of a GGUF that we made, which is made again if its bytes are not those that we wrote."""
    note = gguf.with_name("made.json")
    made = _read_note(note, _Made)
    identity: BaseIdentity | None = None
    try:
        identity = identify(home, gguf, name=name)
        flaw = "" if made is None or made.sha256 == identity.sha256 else _CHANGED
    except RunnerError:
        flaw = _flaw(gguf, made)
        if not flaw:
            raise
    if flaw or identity is None:
        log.warning("%s is damaged and is made again: %s", gguf, flaw, extra=action("base.damaged"))
        convert_base(hf_dir, gguf)
        identity = identify(home, gguf, name=name)
    if made is None or flaw:
        write_atomic(note, msgspec.json.encode(_Made(sha256=identity.sha256)))
    return identity


def _flaw(gguf: Path, made: _Made | None) -> str:
    try:
        require_whole(gguf)
    except ConversionError as error:
        return str(error)
    return _CHANGED if made is not None and sha256_file(gguf) != made.sha256 else ""


def _made_gguf(home: Home, hf_dir: Path) -> Path:
    out = home.bases / f"made-{_folder_digest(home, hf_dir)[:16]}" / "base.gguf"
    if not out.is_file():
        make_dir(out.parent)
        log.info("writing the base as GGUF", extra=action("base.convert"))
        convert_base(hf_dir, out)
    return out


def _folder_digest(home: Home, hf_dir: Path) -> str:
    """Return the digest of what the trainer loads; hashing gigabytes is skipped while names, sizes and times stay."""
    files = [file for file in sorted(hf_dir.glob("*")) if file.suffix in {".json", ".safetensors", ".jinja"}]
    stats = [(file.name, file.stat()) for file in files]
    listing = "\n".join(f"{name} {one.st_size} {one.st_mtime_ns} {one.st_ino}" for name, one in stats)
    key = hashlib.sha256(str(hf_dir.resolve()).encode()).hexdigest()[:16]
    note = home.bases / f"folder-{key}.json"
    remembered = _read_note(note, _RememberedFolder)
    if remembered and remembered.listing == listing:
        return remembered.digest
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{sha256_file(file)}\0".encode())
    fresh = _RememberedFolder(listing=listing, digest=digest.hexdigest())
    write_atomic(note, msgspec.json.encode(fresh))
    return fresh.digest


def _read_note(note: Path, kind: type[_Note]) -> _Note | None:
    try:
        return decode_json(note.read_bytes(), kind)
    except FileNotFoundError:
        return None
    except MalformedError as error:
        log.warning("%s is unreadable and is made anew: %s", note, error, extra=action("base.identity"))
        return None
