from __future__ import annotations

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.sources.llm_call import call, count


def test_a_call_says_that_llm_asked_and_not_which_base_answered() -> None:
    exchange = call(time_s=1.0, model="m", messages=(Message(role="user", content="Hi"),), answer="Ho")
    assert (exchange.source, exchange.client, exchange.base_sha256, exchange.finish) == (
        "llm",
        "llm",
        "",
        "stop",
    )


def test_no_number_of_tokens_is_none() -> None:
    assert [count(value) for value in (3, 0, -1, None, "3")] == [3, 0, 0, 0, 0]
