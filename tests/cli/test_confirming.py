from __future__ import annotations

import io

import click
import pytest

from laimark_sidecar.cli.confirming import confirm


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
def test_what_is_no_yes_is_wrong_usage_and_the_option_is_named(
    answer: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    with pytest.raises(click.UsageError, match="kept: add --yes"):
        confirm("Remove it?", otherwise="kept: add --yes")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Remove it?")
    assert err.endswith("\n")


def test_a_yes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    confirm("Remove it?", otherwise="kept")
