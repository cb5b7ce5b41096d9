"""What a home's configuration allows to be learned."""

from __future__ import annotations

from tests.support.homes import opened, reconfigure

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.screening import policy_of

MAIL = "write to anna.huber@" + "mailbox.org or pay 4111 1111 1111 " + "1111"
SECRET = "use ghp_" + "a1B2c3D4e5F6" * 3


def rules(home: Home, text: str) -> list[str]:
    opening = opened(home)
    with opening.store() as store:
        return [finding.rule for finding in policy_of(opening, store).findings(text)]


def test_everything_is_left_out_by_default(ready_home: Home) -> None:
    assert rules(ready_home, MAIL) == ["e-mail address", "payment card"]
    assert rules(ready_home, SECRET) == ["github token"]


def test_a_group_may_be_kept_and_secrets_never(ready_home: Home) -> None:
    reconfigure(ready_home, "privacy", contact="keep", payment="keep", identity="keep")
    assert rules(ready_home, MAIL) == []
    assert rules(ready_home, SECRET) == ["github token"]


def test_numbers_that_no_question_tells_may_be_kept(ready_home: Home) -> None:
    opening = opened(ready_home)
    with opening.store() as store:
        assert not policy_of(opening, store).keep_numbers
        reconfigure(ready_home, "privacy", numbers="keep")
        assert policy_of(opened(ready_home), store).keep_numbers


def test_ones_own_words_are_allowed(ready_home: Home) -> None:
    reconfigure(ready_home, "privacy", allow=" , Anna.Huber@mailbox.org")
    assert rules(ready_home, MAIL) == ["payment card"]


def test_a_false_alarm_is_remembered_by_the_store(ready_home: Home) -> None:
    opening = opened(ready_home)
    with opening.store() as store:
        item = next(store.items())
        store.review.accept(item.id, item=item)
        assert policy_of(opening, store).is_false_alarm(item.id)
        assert not policy_of(opening, store).is_false_alarm("another")
