"""The way of a version there and back: the same promises through every runner."""

from __future__ import annotations

import pytest
from tests.support.homes import add_twin, answer, only_version

from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.moving import synchronise
from laimark_sidecar.pipeline.promote import promote, rollback, use
from laimark_sidecar.pipeline.workshop import Workshop

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"
TWIN = "me:2026-11-22-fffe"


def there_and_back(workshop: Workshop) -> None:
    """Promote, step back, use by name, with the runner of a trained home that is running; asserts on the way."""
    version = only_version(workshop)
    twin = add_twin(workshop, version, name=TWIN, parent=version.name)
    runner = workshop.runner()
    base = answer(workshop, "base", QUESTION)
    promote(workshop, version)
    tuned = answer(workshop, "me:latest", QUESTION)
    assert tuned == answer(workshop, version.name, QUESTION)
    assert tuned != base
    assert answer(workshop, "me:prev", QUESTION) == base
    promote(workshop, twin)
    assert runner.names() | {"me:latest": twin.name, "me:prev": version.name} == runner.names()
    assert rollback(workshop) == version.name
    assert workshop.registry.refs() == {LATEST: version.name, PREV: ""}
    assert rollback(workshop) == ""
    assert answer(workshop, "me:latest", QUESTION) == base
    with pytest.raises(StateError, match="me:latest is the base already"):
        rollback(workshop)
    assert use(workshop, TWIN) == TWIN
    assert answer(workshop, "me:latest", QUESTION) == tuned
    assert use(workshop, "prev") == ""
    assert use(workshop, "base") == ""
    synchronise(workshop, runner)
    assert workshop.registry.intent.current() is None
    assert checkup(workshop) == ()
