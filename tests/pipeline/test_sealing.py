from __future__ import annotations

import re

import pytest
from tests.support.forgetting import SECRET, TRACES, append, say_secret
from tests.support.homes import opened, reconfigure, take_in

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.reader import read
from laimark_sidecar.journal.sealing import SEALED, read_seal
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.doomed import Wish, doomed
from laimark_sidecar.pipeline.forget import forget


def raw(home: Home) -> bytes:
    return b"".join(path.read_bytes() for path in home.journal.glob("*.jsonl"))


def test_conversations_are_sealed_learned_from_and_forgotten(ready_home: Home) -> None:
    reconfigure(ready_home, "journal", encrypt=True)
    workshop = opened(ready_home)
    _, told = say_secret(workshop)
    assert not any(trace.encode() in raw(ready_home) for trace in TRACES)
    with workshop.store() as store:
        assert any(told.id in item.exchange_ids for item in store.items())
        found = doomed(workshop, store, Wish(text=re.compile(re.escape(SECRET))))
    assert forget(workshop, found).lines == 1
    assert raw(ready_home).count(SEALED) == 1
    assert told not in read(ready_home.journal, None).records


def test_the_key_lies_where_the_configuration_says(ready_home: Home) -> None:
    key = ready_home.root.parent / "elsewhere.key"
    reconfigure(ready_home, "journal", encrypt=True, key_file=str(key))
    opened(ready_home)
    assert key.is_file()
    assert not (ready_home.root / "journal.key").exists()


def test_turned_off_again_new_lines_are_plain_and_old_ones_can_be_read(ready_home: Home) -> None:
    reconfigure(ready_home, "journal", encrypt=True)
    say_secret(opened(ready_home), 900)
    reconfigure(ready_home, "journal", encrypt=False)
    say_secret(opened(ready_home), 901)
    seal = read_seal(ready_home.journal)
    assert seal is not None
    assert seal.recipient == ""
    assert raw(ready_home).count(SEALED) == 2
    assert read(ready_home.journal, None).faults == ()


def test_a_lost_key_is_not_made_anew_by_itself_and_reading_says_so(ready_home: Home) -> None:
    reconfigure(ready_home, "journal", encrypt=True)
    workshop = opened(ready_home)
    (ready_home.root / "journal.key").unlink()
    append(ready_home, *read(ready_home.journal, None).records[:1])
    with pytest.raises(StateError, match="is gone"):
        take_in(opened(ready_home))
    assert not (ready_home.root / "journal.key").exists()
    assert workshop.config.journal.encrypt
