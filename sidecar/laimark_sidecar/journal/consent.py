"""What the user wants recorded: `recording.json` of the home, and the pure rules that read it.

Whoever records asks here: the gateway and the embedded runner before they write, the intake of other programs' logs
before it copies. A `no` wins over a `yes`, and what was said while recording was off stays unrecorded for ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.files import write_atomic

FORMAT_VERSION = 1
RECORD_HEADER = "x-laimark-record"
_AGREEING = frozenset({"on", "true", "1", "yes"})
_VERSION = re.compile(r"/v?\d+(?:\.[\w.+-]*)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """A time in which nothing is recorded."""

    why: str
    """`off` (logs off) or `pause`."""
    from_s: float
    to_s: float | None = None
    """None while it lasts."""

    def covers(self, time_s: float) -> bool:
        """Whether something said then is not recorded."""
        return self.from_s <= time_s and (self.to_s is None or time_s < self.to_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What may be recorded."""

    off: tuple[Off, ...] = ()
    models: dict[str, bool] = field(default_factory=dict)
    """What the user said of a model by its name; of others see `covers_model`."""
    clients: dict[str, bool] = field(default_factory=dict)
    """What the user said of a client; others are recorded."""
    version: int = FORMAT_VERSION

    @property
    def on(self) -> bool:
        """Whether anything is recorded now."""
        return all(one.to_s is not None for one in self.off)

    def reasons(self) -> tuple[str, ...]:
        """Return why nothing is recorded now; empty where something is."""
        return tuple(one.why for one in self.off if one.to_s is None)

    def covers_time(self, time_s: float) -> bool:
        """Whether recording was on then."""
        return not any(one.covers(time_s) for one in self.off)

    def unbroken_since(self, time_s: float) -> bool:
        """Whether recording was on all the time since then, and is now."""
        return all(one.to_s is not None and one.to_s <= time_s for one in self.off)

    def covers_client(self, client: str) -> bool:
        """Whether a client is recorded; a rule for `open-webui` holds for `open-webui/anybody`."""
        rules = {client_name(name): yes for name, yes in self.clients.items()}
        name = client_name(client)
        return all(rules.get(each, True) for each in (name, name.partition("/")[0]))

    def covers_model(self, model: str, own: Collection[str]) -> bool:
        """Whether a model is recorded: as the user said, else whether it is one of this home's (`own`).

        A request that names none may mean any: it is recorded only where no model is refused.
        """
        said = self.said_of(model)
        return model in own if said is None else said

    def said_of(self, model: str) -> bool | None:
        """Return what the user said of a model, under whatever spelling; None where he said nothing."""
        if not model.strip():
            return None if all(self.models.values()) else False
        rules = [yes for name, yes in self.models.items() if model_name(name) == model_name(model)]
        return all(rules) if rules else None

    def switched_off(self, why: str, now_s: float) -> Consent:
        """Return the consent with nothing recorded from now on; off for this reason already changes nothing."""
        return self if why in self.reasons() else replace(self, off=(*self.off, Off(why=why, from_s=now_s)))

    def switched_on(self, why: str, now_s: float) -> Consent:
        """Return the consent with this reason ended; another one may still hold."""
        return replace(
            self,
            off=tuple(
                replace(one, to_s=max(now_s, one.from_s)) if one.why == why and one.to_s is None else one
                for one in self.off
            ),
        )

    def with_model(self, model: str, *, recorded: bool) -> Consent:
        """Return the consent with a rule for a model, in place of any for another spelling of its name."""
        others = {name: yes for name, yes in self.models.items() if model_name(name) != model_name(model)}
        return replace(self, models={**others, model_name(model): recorded})

    def with_client(self, client: str, *, recorded: bool) -> Consent:
        """Return the consent with a rule for a client, likewise."""
        others = {name: yes for name, yes in self.clients.items() if client_name(name) != client_name(client)}
        return replace(self, clients={**others, client_name(client): recorded})


def declines(values: Iterable[str]) -> bool:
    """Whether a client says by `X-Laimark-Record` that a request is not to be recorded: what is no plain yes is a no.

    Args:
        values: of every such header of the request, each perhaps a list; what was recorded against a client's wish cannot
            be unlearned.
    """
    said = (part.strip().strip("\"'").lower() for value in values for part in value.split(","))
    return any(part not in _AGREEING for part in said)


def model_name(name: str) -> str:
    """Return a model's name as Ollama reads it: in lower case, with a tag, without the registry that is meant anyway.

    llama-server's router lists `me:latest` as `me~latest`.
    """
    whole = (
        name.strip().lower().replace("~", ":").removeprefix("registry.ollama.ai/").removeprefix("library/")
    )
    return whole if not whole or ":" in whole else f"{whole}:latest"


def client_name(name: str) -> str:
    """Return a client's name in lower case and without a version: `curl/8.5` is `curl`, `open-webui/ada` stays."""
    return _VERSION.sub("", name.strip().lower().replace(" ", "-"))


def read_consent(path: Path) -> Consent:
    """Return what is kept in a file; where there is none, everything of this home is recorded.

    Raises:
        StateError: it is damaged or a newer version's: nothing is recorded rather than what was not wanted.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Consent()
    return decode_versioned(
        content,
        Consent,
        newest=FORMAT_VERSION,
        what=str(path),
        hint="set it anew: laimark-sidecar logs on, or logs off",
    )


def write_consent(path: Path, consent: Consent) -> None:
    """Replace the file, durably: whoever records sees it with the next exchange."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(consent), indent=2))
