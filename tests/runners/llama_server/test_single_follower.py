from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import llama_server
from tests.support.lora import write_lora
from tests.support.rest import call

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single import Loaded, Single
from laimark_sidecar.runners.llama_server.single_client import SingleRunner
from laimark_sidecar.runners.llama_server.single_follower import applies
from laimark_sidecar.runners.llama_server.single_names import Names

pytestmark = [llama_server.needs_llama_server, pytest.mark.timeout(240)]
ASKED = "def amber(basalt):"
QUESTION = (Message(role="user", content=ASKED),)


@pytest.fixture(scope="module")
def served(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SingleSettings, SingleRunner]]:
    versions = {"me:one": adapters[0], "me:two": adapters[1]}
    with llama_server.single_serving(tmp_path_factory.mktemp("single"), demo_gguf, versions) as found:
        yield found


def test_only_the_one_adapter_at_its_full_scale_is_that_version() -> None:
    names = Names(versions={"me:1": "aa", "me:2": "bb"})
    off, on, half = (Loaded(id=0, path="/a/aa.gguf", scale=scale) for scale in (0.0, 1.0, 0.5))
    other = Loaded(id=1, path="/a/bb.gguf", scale=1.0)
    assert applies([off], names, "")
    assert applies([on], names, "me:1")
    for loaded, version in (
        ([on], ""),
        ([off], "me:1"),
        ([half], "me:1"),
        ([on, other], "me:1"),
        ([], "me:1"),
    ):
        assert not applies(loaded, names, version)


def test_scales_that_somebody_else_set_are_seen_and_put_right(
    served: tuple[SingleSettings, SingleRunner],
) -> None:
    settings, runner = served
    runner.point("me:latest", "me:one")
    expected = llama_server.said(settings, ASKED)
    for scales in ([{"id": 0, "scale": 1.0}, {"id": 1, "scale": 1.0}], [{"id": 0, "scale": 0.5}], []):
        assert call(settings.url, "POST", "/lora-adapters", scales).status == 200
        assert "me:latest" not in runner.names()
        runner.point("me:latest", "me:one")
        assert runner.names()["me:latest"] == "me:one"
        assert llama_server.said(settings, ASKED) == expected
    runner.withdraw("me:latest")


def test_a_version_that_this_program_refuses_leaves_everything_as_it_was(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    sha256 = sha256_file(adapters[1])
    binary = llama_server.program(
        tmp_path / "llama-server",
        f"case \"$*\" in *{sha256}*) echo 'cannot take this adapter'; exit 1;; esac",
    )
    with llama_server.single_serving(tmp_path / "s", demo_gguf, {"me:one": adapters[0]}, binary=binary) as (
        settings,
        runner,
    ):
        runner.point("me:latest", "me:one")
        before, names = llama_server.said(settings, ASKED), runner.names()
        with pytest.raises(RunnerError, match=r"1\.gguf is not served.*cannot take this adapter"):
            runner.register("me:two", adapters[1])
        assert runner.names() == names
        assert llama_server.said(settings, ASKED) == before
        assert [path.stem for path in settings.adapters.iterdir()] == [sha256_file(adapters[0])]
        runner.register("me:three", adapters[2])
        assert runner.names().keys() == names.keys() | {"me:three"}


def test_where_prompts_are_cached_no_answer_goes_on_from_another_adapters(
    demo_gguf: Path, tmp_path: Path
) -> None:
    # An older program: it does not know --no-cache-prompt. Its cache is what gives wrong answers, which this shows first.
    old = 'if [ "$1" = --help ]; then $real --help | grep -v no-cache-prompt; exit; fi'
    binary = llama_server.program(tmp_path / "llama-server", old)
    strong = {
        f"me:{seed}": write_lora(demo_gguf, tmp_path / f"strong-{seed}.gguf", seed=seed, strength=2.0)
        for seed in range(2)
    }
    with llama_server.single_serving(tmp_path / "s", demo_gguf, strong, binary=binary) as (settings, runner):
        single = Single(settings.url, timeout_s=10)
        right = {name: runner.generate(name, QUESTION, max_tokens=12).text for name in strong}
        positions = {one.sha256: one.id for one in single.adapters()}
        wrong = []
        for name in ("me:0", "me:1", "me:0", "me:1"):
            single.apply([(positions[sha256_file(strong[name])], 1.0)])
            wrong.append(llama_server.said(settings, ASKED) == right[name])
        assert not all(wrong)
        for name in ("me:0", "me:1", "me:0", "me:1"):
            runner.point("me:latest", name)
            assert llama_server.said(settings, ASKED) == right[name]
            assert runner.generate("me:0", QUESTION, max_tokens=12).text == right["me:0"]
            assert llama_server.said(settings, ASKED) == right[name]


def test_a_version_that_was_pointed_at_and_cannot_be_loaded_leaves_the_name_where_it_was(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    versions = {f"me:{number}": adapter for number, adapter in enumerate(adapters)}
    with llama_server.single_serving(tmp_path / "s", demo_gguf, versions, preloaded=2) as (settings, runner):
        runner.point("me:latest", "me:0")
        before = llama_server.said(settings, ASKED)
        lost = settings.adapters / f"{sha256_file(adapters[3])}.gguf"
        lost.unlink()
        with pytest.raises(RunnerError, match="ended at once"):
            runner.point("me:latest", "me:3")
        assert runner.names()["me:latest"] == "me:0"
        assert llama_server.said(settings, ASKED) == before
        runner.register("me:3", adapters[3])
        runner.point("me:latest", "me:3")
        assert (
            llama_server.said(settings, ASKED, max_tokens=8)
            == runner.generate("me:3", QUESTION, max_tokens=8).text
        )
