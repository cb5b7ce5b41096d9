from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.support.llama_server import router_settings

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.llama_server.preset_file import blocks
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import RouterSettings

BASE = Section(name="demo", kind="base")


@pytest.fixture
def settings(tmp_path: Path) -> RouterSettings:
    return router_settings(tmp_path / "router", tmp_path / "base.gguf")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.gguf"
    path.write_bytes(b"an adapter")
    return path


def version(adapter: Path, name: str = "me:one") -> Section:
    return Section(name=name, kind="version", version=name, sha256=sha256_file(adapter))


def refuse() -> None:
    raise RunnerError("the router says no")


def test_seeding_replaces_ours_and_keeps_the_users(settings: RouterSettings, adapter: Path) -> None:
    settings.folder.mkdir()
    settings.preset.write_text("[coder]\nmodel = /coder.gguf\n")
    presets = Presets(settings)
    for name in ("me:one", "me:two"):
        presets.seed({BASE: None, version(adapter, name): adapter})
    assert [block.id for block in blocks(presets.text())] == ["coder", "demo", "me~two"]


def test_the_adapter_is_kept_so_that_the_original_may_go(settings: RouterSettings, adapter: Path) -> None:
    presets = Presets(settings)
    section = version(adapter)
    presets.seed({section: adapter})
    adapter.unlink()
    assert presets.adapters.path(section.sha256).read_bytes() == b"an adapter"
    assert str(presets.adapters.path(section.sha256)) in presets.text()


def test_seeding_leaves_out_the_names_that_the_user_has_taken_and_says_so(
    settings: RouterSettings, adapter: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.folder.mkdir()
    settings.preset.write_text("[zzz]\nmodel = /z.gguf\nalias = me:theirs\n")
    presets = Presets(settings)
    theirs = Section(name="me:theirs", kind="moving", version="me:two", sha256=sha256_file(adapter))
    presets.seed({BASE: None, theirs: adapter, Section(name="me:latest", kind="moving"): None})
    assert [block.id for block in blocks(presets.text())] == ["zzz", "demo", "me~latest"]
    (record,) = caplog.records
    assert record.getMessage().startswith("not serving me:theirs: me:theirs: already the name")
    assert record.__dict__["action"] == "llama_server.name-taken"
    assert not presets.adapters.path(theirs.sha256).exists()
    with pytest.raises(RunnerError, match="me:theirs"):
        presets.require_free(theirs)
    presets.require_free(Section(name="me:latest", kind="moving"))


def test_a_moving_name_never_takes_the_bases_section(settings: RouterSettings) -> None:
    presets = Presets(settings)
    presets.seed(
        {Section(name="me:latest", kind="base"): None, Section(name="me:latest", kind="moving"): None}
    )
    assert [block.section and block.section.kind for block in blocks(presets.text())] == ["base"]


def test_seeding_without_a_name_for_the_base_is_refused(settings: RouterSettings) -> None:
    settings.folder.mkdir()
    settings.preset.write_text("[demo]\nmodel = /z.gguf\n")
    with pytest.raises(RunnerError, match="demo: already the name") as caught:
        Presets(settings).seed({BASE: None})
    assert "rename that section" in caught.value.hint
    assert settings.preset.read_text() == "[demo]\nmodel = /z.gguf\n"


def test_what_others_wrote_keeps_its_bytes(settings: RouterSettings, adapter: Path) -> None:
    foreign = "# grüße\r\n[x]\r\nmodel = /ä.gguf\r\n".encode()
    settings.folder.mkdir()
    settings.preset.write_bytes(foreign)
    presets = Presets(settings)
    presets.seed({BASE: None})
    presets.put(version(adapter), lambda: None)
    with pytest.raises(RunnerError, match="says no"):
        presets.put(version(adapter, "me:two"), refuse)
    presets.remove(version(adapter), lambda: None)
    assert settings.preset.read_bytes().startswith(foreign.rstrip())
    assert blocks(presets.text())[-1].id == "demo"


def test_a_file_that_is_not_utf_8_is_refused_with_its_line_and_left_alone(settings: RouterSettings) -> None:
    foreign = "[x]\nmodel = /x.gguf\n# grüße\n".encode("latin-1")
    settings.folder.mkdir()
    settings.preset.write_bytes(foreign)
    presets = Presets(settings)
    for change in (partial(presets.seed, {BASE: None}), partial(presets.put, BASE, lambda: None)):
        with pytest.raises(RunnerError, match=r"models\.ini: line 3 is not UTF-8") as caught:
            change()
        assert caught.value.hint == "save that file as UTF-8"
    assert settings.preset.read_bytes() == foreign


def test_seeding_deletes_the_adapters_that_nothing_names(settings: RouterSettings, adapter: Path) -> None:
    presets = Presets(settings)
    section = version(adapter)
    presets.seed({BASE: None, section: adapter})
    presets.seed({BASE: None})
    assert not presets.adapters.path(section.sha256).exists()


def test_a_refused_change_is_taken_back(settings: RouterSettings, adapter: Path) -> None:
    presets = Presets(settings)
    presets.seed({BASE: None})
    before = presets.text()
    for change in (presets.put, presets.remove):
        with pytest.raises(RunnerError, match="says no"):
            change(BASE if change == presets.remove else version(adapter), refuse)
        assert presets.text() == before


def test_an_adapter_goes_with_the_last_section_that_names_it(settings: RouterSettings, adapter: Path) -> None:
    presets = Presets(settings)
    one, two = version(adapter), version(adapter, "me:two")
    presets.seed({one: adapter, two: adapter})
    presets.remove(one, lambda: None)
    assert presets.adapters.path(one.sha256).is_file()
    presets.remove(two, lambda: None)
    assert not presets.adapters.path(one.sha256).exists()
    assert presets.text() == ""


def test_a_file_that_cannot_be_written_is_told_and_the_old_one_stays(
    settings: RouterSettings, adapter: Path
) -> None:
    presets = Presets(settings)
    presets.seed({BASE: None})
    before = presets.text()
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tests.runners.llama_server.test_presets import BASE\n"
        "from tests.support.llama_server import router_settings\n"
        "from laimark_sidecar.errors import RunnerError\n"
        "from laimark_sidecar.runners.llama_server.presets import Presets\n"
        "from laimark_sidecar.runners.llama_server.sections import Section\n"
        "presets = Presets(router_settings(Path(sys.argv[1]), Path(sys.argv[2])))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    presets.put(Section(name='me:latest', kind='moving'), lambda: sys.exit('it was read'))\n"
        "except RunnerError as error:\n"
        "    print(error, error.hint)\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script, str(settings.folder), str(settings.base_path)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "models.ini cannot be written" in child.stdout, child.stderr
    assert "make room" in child.stdout
    assert presets.text() == before
    assert [path.name for path in settings.folder.iterdir()] == ["models.ini"]
