"""A version as a folder that PEFT and llama.cpp can read."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from laimark_sidecar import files
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.registry.names import validate_role
from laimark_sidecar.registry.objects import ObjectStore
from laimark_sidecar.registry.version import Version


def checkout(objects: ObjectStore, version: Version, folder: Path) -> Path:
    """Write the version's objects into `folder` under their roles, all or nothing, replacing what is there.

    Copies, not links: a tool that writes into its adapter folder must not reach the registry. Each is compared with
    its sha256 on the way, so what was checked out is what was registered.

    Returns:
        `folder`, holding `adapter_config.json`, `adapter_model.safetensors` and whatever else the version has.

    Raises:
        StateError: an object is missing or damaged; `folder` is what it was.
        OSError: the disk is full; `folder` is what it was.
    """
    files.make_dir(folder.parent)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        for role, sha256 in version.objects.items():
            files.copy_atomic(objects.path(sha256), temporary / validate_role(role), sha256=sha256)
        files.publish_dir(temporary, folder)
    except DataError as error:
        raise StateError(
            f"{version.name} cannot be checked out: {error}", hint="laimark-sidecar check"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
