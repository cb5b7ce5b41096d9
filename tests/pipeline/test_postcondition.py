from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.postcondition import TOLERANCE_NATS, verify
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.runner import Reply, TokenLogprob
from laimark_sidecar.validation.fingerprint import read_fingerprint


@dataclass(frozen=True)
class Parrot(EmbeddedRunner):
    """A runner that gives one prepared answer."""

    reply: Reply

    def generate(self, *args: object, **options: object) -> Reply:
        return self.reply


def prepared(version: Version, *, off_by: float = 0.0, tokens: int | None = None) -> Parrot:
    expected = read_fingerprint(version.expected).tokens[:tokens]
    return Parrot(
        Reply(
            text="",
            finish="length",
            tokens=tuple(
                TokenLogprob(
                    token=one.token,
                    logprob=one.logprob + off_by,
                    top=tuple((token, logprob + off_by) for token, logprob in one.top),
                )
                for one in expected
            ),
        )
    )


def test_real_runner_answers_as_the_validated_file_did(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with served(workshop):
        assert verify(workshop.runner(), version) < TOLERANCE_NATS / 5
        with pytest.raises(RunnerError, match="does not answer as"):
            verify(workshop.runner(), replace(version, name="base"))


def test_rounding_passes_and_another_adapter_or_a_cut_answer_does_not(trained_home: Home) -> None:
    version = only_version(opened(trained_home))
    assert verify(prepared(version, off_by=0.01), version) == pytest.approx(0.01)
    for runner in (prepared(version, off_by=0.2), prepared(version, tokens=0)):
        with pytest.raises(RunnerError, match="nats") as caught:
            verify(runner, version)
        assert "nothing was switched" in caught.value.hint


def test_version_without_a_fingerprint_is_not_taken_on_trust(trained_home: Home) -> None:
    version = only_version(opened(trained_home))
    with pytest.raises(DataError, match="fingerprint"):
        verify(prepared(version), replace(version, expected=""))
