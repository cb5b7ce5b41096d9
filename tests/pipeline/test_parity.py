"""Against real runners: the embedded one, and a llama-server that was told to use another template."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import llama_server
from tests.support.begin_of_text import wanting_bos
from tests.support.homes import never, only_version, opened, reconfigure, served, silent

from laimark_converters.base_gguf import write_base_gguf
from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import server_settings
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.parity import first_difference, require_parity
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.router import managed_server, router_sections
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.settings import RouterSettings
from laimark_sidecar.training.rendering import CONVERSATIONS, Trained
from laimark_sidecar.training.worker.tokens import SERVED_VOCABULARY

pytestmark = pytest.mark.timeout(240)
TOKENS = st.lists(st.integers(0, 9), min_size=2, max_size=6)
OTHER_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def trained(*tokens: Sequence[int]) -> list[Trained | None]:
    return [Trained(text="", tokens=tuple(one)) for one in tokens]


@given(st.lists(TOKENS, min_size=1, max_size=4), st.lists(TOKENS, min_size=1, max_size=4))
def test_no_difference_is_found_exactly_where_all_tokens_are_equal(
    ours: list[list[int]], theirs: list[list[int]]
) -> None:
    begun = [[100, *one] for one in ours]
    assert first_difference(trained(*begun), begun) is None
    if len(ours) == len(theirs) and ours != theirs:
        found = first_difference(trained(*ours), theirs)
        assert found is not None
        place = next(n for n, pair in enumerate(zip(ours, theirs, strict=True), 1) if pair[0] != pair[1])
        assert found.number == place


def test_the_first_token_that_differs_is_told() -> None:
    found = first_difference(trained([1, 2, 3], [1, 2, 3]), [[1, 2, 3], [1, 2]])
    assert found is not None
    assert (found.number, found.what) == (2, "token 3 is none to the runner and 3 to training")


def test_a_begin_of_text_token_that_one_side_lacks_or_both_have_twice_is_a_difference() -> None:
    one, two = ([1, 5, 6], [1, 7, 8]), ([1, 1, 5, 6], [1, 1, 7, 8])
    assert first_difference(trained(*one), one) is None
    for ours, theirs in ((one, two), (two, one), (two, two), (one, ([5, 6], [7, 8]))):
        assert first_difference(trained(*ours), theirs) is not None


def test_what_training_cannot_read_is_not_compared_and_what_the_runner_refuses_is_told() -> None:
    assert first_difference([None], [None]) is None
    found = first_difference(trained([1, 2]), [None])
    assert found is not None
    assert "the runner refuses it" in found.what


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


@contextmanager
def other_template(workshop: Workshop, folder: Path) -> Iterator[None]:
    """Run the llama-server of a home with a template of the user's own, as its preset file lets him."""
    template = folder / "mine.jinja"
    template.write_text(OTHER_TEMPLATE)
    settings = server_settings(workshop.home, workshop.config, workshop.base.gguf)
    assert isinstance(settings, RouterSettings)

    def prepare() -> None:
        presets = Presets(settings)
        presets.seed(router_sections(workshop))
        text = presets.text().replace("[demo]\n", f"[demo]\nchat-template-file = {template}\n")
        settings.preset.write_text(text)

    server = managed_server(workshop)
    server.start(prepare=prepare)
    try:
        yield
    finally:
        server.stop()


def test_the_embedded_runner_reads_what_training_reads_and_the_version_says_what(workshop: Workshop) -> None:
    version = only_version(workshop)
    with served(workshop):
        found = require_parity(workshop, workshop.runner(), workshop.base.hf_dir)
        assert found is not None
        assert len(version.rendering_sha256) == 64
        assert found.sha256 == version.rendering_sha256
        promote(workshop, version)


def test_a_version_that_was_trained_on_other_prompts_is_not_promoted(workshop: Workshop) -> None:
    version = only_version(workshop)
    other = replace(version, name="me:2026-11-22-fffd", cycle="other", rendering_sha256="0" * 64)
    unknown = replace(version, name="me:2026-11-22-fffc", cycle="earlier", rendering_sha256="")
    for one in (other, unknown):
        workshop.registry.add(one)
    with served(workshop):
        with pytest.raises(ConfigError, match=r"fffd was trained on other prompts .*rendering 000000000000"):
            promote(workshop, other)
        assert not workshop.registry.refs().get("latest")
        promote(workshop, unknown)


@llama_server.needs_llama_server
def test_a_runner_with_another_template_stops_training_and_promotion(
    ready_home: Home, trained_home: Home, tmp_path: Path
) -> None:
    for home in (ready_home, trained_home):
        reconfigure(home, "runner", kind="llama-server")
    ready, done = opened(ready_home), opened(trained_home)
    with other_template(ready, tmp_path):
        cycle = open_cycle(ready)
        with pytest.raises(ConfigError, match=r"conversation 5 of 9 fixed ones: token \d+ is \d+") as caught:
            advance(ready, cycle, report=silent, should_stop=never)
        assert "base.gguf" in caught.value.hint
        assert not cycle.result.exists()
        assert cycle.closed() is None
        assert list(cycle.root.glob("failure-*")) == []
    with other_template(done, tmp_path):
        version = only_version(done)
        with pytest.raises(ConfigError, match="does not read conversations as training does"):
            promote(done, version)
        assert not done.registry.refs().get("latest")
        assert done.runner().names()["me:latest"] == ""


@llama_server.needs_llama_server
def test_a_template_that_prints_the_date_is_equal_today_and_has_one_digest(
    workshop: Workshop, tmp_path: Path
) -> None:
    dated = tmp_path / "dated"
    shutil.copytree(workshop.base.hf_dir, dated)
    template = (dated / "chat_template.jinja").read_text()
    (dated / "chat_template.jinja").write_text("Today is {{ strftime_now('%d %b %Y') }}.\n" + template)
    gguf = tmp_path / "dated.gguf"
    write_base_gguf(dated, gguf)
    settings = llama_server.single_settings(tmp_path / "server", gguf)
    with llama_server.single_started(settings):
        runner = llama_server.single_runner(settings)
        found = require_parity(workshop, runner, dated)
        assert found is not None
        assert found.sha256 != only_version(workshop).rendering_sha256
        rendered = runner.render(CONVERSATIONS[0])
        assert found.now[0] is not None
        assert rendered.text == found.now[0].text
        with pytest.raises(ConfigError, match="conversation 1 of 9"):
            require_parity(workshop, runner, workshop.base.hf_dir)


@llama_server.needs_llama_server
@pytest.mark.parametrize("written", [False, True])
def test_a_base_that_wants_a_begin_of_text_token_is_trained_with_it_where_the_served_file_says_so(
    workshop: Workshop, demo_base_dir: Path, tmp_path: Path, written: bool
) -> None:
    gguf = wanting_bos(demo_base_dir, tmp_path, written=written)
    from_file = tmp_path / "from-file"
    from_file.mkdir()
    shutil.copy(gguf, from_file / SERVED_VOCABULARY)
    served = replace(workshop, base=replace(workshop.base, gguf=gguf))
    settings = llama_server.single_settings(tmp_path / "server", gguf)
    with llama_server.single_started(settings):
        runner = llama_server.single_runner(settings)
        assert require_parity(served, runner, from_file)
        if written:
            assert require_parity(served, runner, gguf.parent)
        else:
            with pytest.raises(
                ConfigError, match="conversation 1 of 9 fixed ones: token 1 is 0 to"
            ) as caught:
                require_parity(served, runner, gguf.parent)
            assert "leave base.hf empty" in caught.value.hint


def test_a_runner_that_is_down_is_no_difference(workshop: Workshop) -> None:
    with pytest.raises(RunnerError, match="does not answer"):
        require_parity(workshop, workshop.runner(), workshop.base.hf_dir)
