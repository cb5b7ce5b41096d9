"""The settings of what is recorded: the gateway and the conversation log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.config.keys import key
from laimark_sidecar.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal(Section):
    """The conversation log."""

    fsync: Literal["always", "interval", "never"] = key(
        "interval", "When a line is forced to the disk. A crash of the machine loses at most what was not."
    )
    segment_mib: int = key(64, "A new segment file is begun at this size (MiB).", least=1, most=4096)
    record: bool = key(True, "Whether conversations are recorded at all.")
    encrypt: bool = key(
        False,
        "Whether new lines are sealed by a key (needs the extra `encryption`); a running program follows with its next "
        "file. Older lines, and the replay buffer, which must compare texts, are not: an encrypted disk seals those.",
    )
    key_file: str = key(
        "", "Where that key lies; made if there was none. Keep a copy. Empty: journal.key in the home."
    )
    keep_days: int = key(
        0,
        "Conversations that were recorded more than so many days ago are deleted; 0: never. What was learned from them, "
        "and the lessons in the buffer, stay: `forget` takes those.",
        least=0,
        most=36_500,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway(Section):
    """The recording gateway: `laimark-sidecar gateway`, between your clients and the runner."""

    host: str = key(
        "127.0.0.1", "Address it listens on. Anything but a loopback address is open to the network."
    )
    port: int = key(11436, "Port it listens on; clients use it instead of the runner's.", least=1, most=65535)
    upstream: str = key("", "Where requests go. Empty: the runner that this configuration names.")
    allowed_hosts: str = key(
        "",
        "Host names, beside localhost and addresses, under which clients may call it; with commas between. A page in "
        "a browser that calls it by any other name is refused (DNS rebinding).",
    )
