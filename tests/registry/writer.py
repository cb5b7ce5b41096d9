"""A process that adds versions and moves refs until it is killed: `python writer.py FOLDER SALT [COUNT]`.

Prints a line for each move that is durable, after the move.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.registry.version import BaseIdentity, Version

BASE = BaseIdentity(
    sha256="b" * 64, architecture="llama", template_sha256="c" * 64, tokenizer_sha256="d" * 64
)


def main(folder: Path, salt: str, limit: int | None) -> None:
    registry = Registry.open(folder, clock=SystemClock(), who=salt)
    for number in count():
        if number == limit:
            return
        weights = registry.objects.put_bytes(f"{salt} {number}".encode() * 1000)
        version = Version(
            name=registry.new_name(salt=f"{salt} {number}"),
            created_s=registry.clock.now_s(),
            parent="",
            base=BASE,
            objects={"adapter_model.safetensors": weights},
            cycle="",
        )
        registry.add(version)
        registry.set_refs({"latest": version.name, "prev": registry.refs()["latest"]}, reason=salt)
        sys.stdout.write(f"{version.name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
