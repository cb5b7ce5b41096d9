from __future__ import annotations

from dataclasses import replace

from tests.support.homes import only_version, opened

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.other_base import estranged
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version

FOREIGN = "me:2026-11-22-fff1"


def foreign(workshop: Workshop) -> Version:
    """Register a version of a base that is not served."""
    version = only_version(workshop)
    other = replace(version, name=FOREIGN, cycle="x", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(other)
    return other


def test_refs_to_the_base_and_to_versions_of_it_are_at_home(trained_home: Home) -> None:
    workshop = opened(trained_home)
    assert estranged(workshop) == ()
    workshop.registry.set_refs({LATEST: only_version(workshop).name}, reason="test")
    assert estranged(workshop) == ()


def test_both_refs_may_be_estranged_and_latest_comes_first(trained_home: Home) -> None:
    workshop = opened(trained_home)
    other = foreign(workshop)
    workshop.registry.set_refs({LATEST: other.name, PREV: other.name}, reason="test")
    latest, previous = estranged(workshop)
    assert (latest.ref, previous.ref) == (LATEST, PREV)
    assert (latest.version, latest.made_for) == (FOREIGN, "f" * 64)
    assert latest.base == workshop.base.identity.sha256
    assert latest.message.endswith(f"the base now is {latest.base[:12]}: the base answers")


def test_version_that_cannot_be_read_is_left_to_the_registrys_own_check(trained_home: Home) -> None:
    workshop = opened(trained_home)
    workshop.registry.set_refs({LATEST: foreign(workshop).name}, reason="test")
    path = trained_home.registry / "versions" / "me@2026-11-22-fff1.json"
    path.chmod(0o600)
    path.write_bytes(b"{")
    assert estranged(workshop) == ()
