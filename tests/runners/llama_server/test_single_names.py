from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.llama_server import single_settings

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single_names import Names, NamesFile

THREE = Names(versions={"me:1": "aa", "me:2": "bb", "me:3": "cc"})


@pytest.fixture
def settings(tmp_path: Path) -> SingleSettings:
    return single_settings(tmp_path / "server", tmp_path / "base.gguf")


def adapter(folder: Path, content: bytes) -> Path:
    path = folder / f"{content.decode()}.gguf"
    path.write_bytes(content)
    return path


def test_what_everybody_gets_is_loaded_first_and_then_what_was_wanted_last() -> None:
    assert THREE.preloaded("me:latest", 2) == ("cc", "bb")
    pointed = THREE.pointing("me:latest", "me:1").with_version("me:4", "dd")
    assert pointed.preloaded("me:latest", 2) == ("aa", "dd")
    assert pointed.preloaded("me:latest", 9) == ("aa", "dd", "cc", "bb")


@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.sampled_from("abcdef"), st.integers(2, 5))
def test_what_was_wanted_last_and_what_everybody_gets_are_always_loaded(
    wanted: list[str], answering: str, most: int
) -> None:
    names = Names().with_version(answering, answering).pointing("me:latest", answering)
    for name in wanted:
        names = names.with_version(name, name)
    loaded = names.preloaded("me:latest", most)
    assert {answering, wanted[-1]} <= set(loaded)
    assert len(loaded) == len(set(loaded)) <= most


def test_two_versions_of_one_adapter_are_loaded_once() -> None:
    assert THREE.with_version("me:twin", "aa").preloaded("me:latest", 4) == ("aa", "cc", "bb")


def test_a_moving_name_goes_without_its_version() -> None:
    names = THREE.pointing("me:latest", "me:2").pointing("me:prev", "me:2")
    assert names.holders("me:2") == ["me:latest", "me:prev"]
    assert names.without("me:latest").moving == {"me:prev": "me:2"}
    assert names.pointing("me:latest", "").moving["me:latest"] == ""


def test_the_table_is_made_anew_with_its_adapters_and_without_others(
    settings: SingleSettings, tmp_path: Path
) -> None:
    file = NamesFile(settings)
    old, new = adapter(tmp_path, b"old"), adapter(tmp_path, b"new")
    base = {Section(name="demo", kind="base"): None}

    def version(path: Path) -> Section:
        return Section(name=path.stem, kind="version", version=path.stem, sha256=sha256_file(path))

    moving = Section(name="me:latest", kind="moving", version="old", sha256=sha256_file(old))
    file.seed({**base, version(new): new, version(old): old, moving: old})
    names = file.read()
    assert list(names.versions) == ["old", "new"]
    assert names.moving == {"me:latest": "old"}
    assert file.adapters.path(sha256_file(old)).read_bytes() == b"old"
    assert settings.model.readlink() == settings.base_path
    file.seed({**base, version(new): new})
    assert not file.adapters.path(sha256_file(old)).exists()


def test_a_table_that_cannot_be_used_says_how_to_make_it_anew(settings: SingleSettings) -> None:
    file = NamesFile(settings)
    assert file.read() == Names()
    settings.folder.mkdir()
    for content in (
        b"garbage",
        b'{"versions":[]}',
        b'{"format":99}',
        b'{"versions":{},"moving":{"me:latest":"me:ghost"}}',
        b'{"versions":{"me:1":"\xff"}}',
        b'{"x":' + b"[" * 100_000,
    ):
        settings.state.write_bytes(content)
        with pytest.raises(RunnerError, match="cannot be used") as caught:
            file.read()
        assert "runner stop" in caught.value.hint


def test_a_full_disk_is_told_and_the_table_stays(settings: SingleSettings) -> None:
    file = NamesFile(settings)
    file.write(THREE)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tests.support.llama_server import single_settings\n"
        "from laimark_sidecar.errors import RunnerError\n"
        "from laimark_sidecar.runners.llama_server.single_names import Names, NamesFile\n"
        "file = NamesFile(single_settings(Path(sys.argv[1]), Path('base.gguf')))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try:\n"
        "    file.write(Names())\n"
        "except RunnerError as error:\n"
        "    print(error, error.hint)\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script, str(settings.folder)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "names.json cannot be written" in child.stdout, child.stderr
    assert file.read() == THREE
