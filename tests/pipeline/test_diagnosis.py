from __future__ import annotations

import importlib.util
import os
import shutil
import struct
from collections import namedtuple
from pathlib import Path

import pytest
from tests.converters import served_models
from tests.support.homes import free_port, opened, reconfigure, served
from tests.support.ollama_homes import beside

from laimark_converters.header import read_header
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.diagnosis import Finding, diagnose


def errors(home: Home) -> list[Finding]:
    return [finding for finding in diagnose(home) if finding.state == "error"]


def test_ready_machine_has_no_error_and_every_warning_says_what_to_do(trained_home: Home) -> None:
    with served(opened(trained_home)):
        found = diagnose(trained_home)
    assert [finding for finding in found if finding.state == "error"] == []
    assert all(finding.fix for finding in found if finding.state == "warning")
    assert any("me:latest" in finding.what for finding in found)
    assert any("reads conversations as training does" in finding.what for finding in found)


@pytest.mark.parametrize("name", ["sources.json", "recording.json", "forget.json"])
def test_a_small_file_that_is_damaged_is_named_with_what_to_do(ready_home: Home, name: str) -> None:
    (ready_home.root / name).write_bytes(b"{")
    (found,) = [finding for finding in errors(ready_home) if name in finding.what]
    assert found.fix


def test_home_that_is_not_set_up_and_one_with_a_bad_setting_are_found(
    ready_home: Home, tmp_path: Path
) -> None:
    (missing,) = errors(Home(root=tmp_path / "not" / "yet"))
    assert missing.fix == "laimark-sidecar init"
    reconfigure(ready_home, "base", gguf="/nonexistent.gguf")
    (bad,) = errors(ready_home)
    assert "base.gguf" in bad.what


def test_training_that_would_read_other_words_than_the_runner_is_found(
    ready_home: Home, tmp_path: Path, demo_gguf: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(opened(ready_home).base.hf_dir, other)
    (other / "chat_template.jinja").write_text("{{ messages[0].content }}")
    reconfigure(ready_home, "base", hf=str(other), gguf=str(demo_gguf))
    with served(opened(ready_home)):
        (found,) = errors(ready_home)
    assert "does not read conversations as training does: conversation 1 of" in found.what
    assert "leave base.hf empty" in found.fix


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_home_that_others_may_read_is_found(ready_home: Home) -> None:
    ready_home.root.chmod(0o755)
    (open_home,) = errors(ready_home)
    assert open_home.fix.startswith("chmod 700")


def test_missing_package_names_the_extra_and_a_full_disk_is_told(
    ready_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = diagnose(ready_home)
    assert any("laimark-sidecar[train]" in finding.fix for finding in found)
    assert any("free some space" in finding.fix for finding in found)


def test_base_that_cannot_be_trained_on_is_found_before_training(
    ready_home: Home, demo_gguf: Path, demo_base_dir: Path, tmp_path: Path
) -> None:
    reconfigure(ready_home, "base", hf="", gguf=str(demo_gguf))
    assert any(
        "will be made when training first needs it" in finding.what for finding in diagnose(ready_home)
    )
    # llama.cpp serves any divisors of the rotary frequencies; transformers computes only those of Llama 3.
    served = served_models.build_hf("llama3", demo_base_dir, tmp_path / "hf")
    gguf = served_models.serve(served, tmp_path / "odd.gguf")
    content = bytearray(gguf.read_bytes())
    struct.pack_into("<f", content, read_header(gguf).tensors["rope_freqs.weight"].offset, 3.0)
    gguf.write_bytes(content)
    reconfigure(ready_home, "base", gguf=str(gguf))
    (bad,) = errors(ready_home)
    assert f"{gguf}: rope_freqs.weight holds divisors" in bad.what
    assert "base.hf" in bad.fix


@pytest.mark.parametrize(
    ("release", "route", "told"),
    [
        ("0.33.0", "auto", 'as adapters beside the base (ollama.route = "auto")'),
        ("0.34.1", "auto", "merged into a copy of the base"),
        ("0.33.0", "merged", "merged into a copy of the base"),
        ("0.34.1", "own-server", "a llama-server of the sidecar on Ollama's file, at http://127.0.0.1:"),
    ],
)
def test_the_way_to_ollama_s_users_is_explained(
    ready_home: Home, demo_gguf: Path, release: str, route: str, told: str
) -> None:
    with beside(ready_home, demo_gguf, release, route=route):
        assert any(told in finding.what for finding in diagnose(ready_home) if finding.state == "ok")


def test_a_way_that_ollama_refuses_is_an_error_with_the_others_named(
    ready_home: Home, demo_gguf: Path
) -> None:
    with beside(ready_home, demo_gguf, "0.34.1", route="adapter"):
        (bad,) = errors(ready_home)
    assert "takes no adapters" in bad.what
    assert "own-server" in bad.fix


@pytest.mark.parametrize(
    ("told", "flaw"),
    [
        ("", "is no llama-server"),
        ("--lora-scaled FNAME SCALE", "knows no router mode"),
    ],
)
def test_a_llama_server_that_cannot_be_started_is_found_before_it_is(
    ready_home: Home, tmp_path: Path, told: str, flaw: str
) -> None:
    program = tmp_path / "llama-server"
    reconfigure(ready_home, "runner", kind="llama-server", binary=str(program))
    (missing,) = errors(ready_home)
    assert f"runner.binary: {program} is not a program that can be run" in missing.what
    program.write_text(f"#!/bin/sh\necho '{told}'\n")
    program.chmod(0o755)
    (wrong,) = errors(ready_home)
    assert flaw in wrong.what
    assert "runner." in wrong.fix
    program.write_text("#!/bin/sh\necho --models-preset --lora-scaled\n")
    assert errors(ready_home) == []


def test_an_ollama_on_another_machine_is_told(ready_home: Home) -> None:
    # Nobody listens at port 1 of an address that is reserved for documentation (RFC 5737), nor is it asked: route "own-server".
    reconfigure(ready_home, "runner", kind="ollama")
    reconfigure(ready_home, "ollama", url="http://192.0.2.1:1", route="own-server")
    assert any("is on another machine" in finding.what for finding in diagnose(ready_home))


def test_a_gateway_that_does_not_run_is_told_where_it_is_what_records(ready_home: Home) -> None:
    reconfigure(ready_home, "gateway", port=free_port())
    told = "the gateway does not run"
    assert not [
        one for one in diagnose(ready_home) if told in one.what
    ]  # the embedded runner records by itself
    reconfigure(ready_home, "runner", kind="llama-server", mode="single")
    (found,) = (one for one in diagnose(ready_home) if told in one.what)
    assert (found.state, found.fix) == ("warning", "laimark-sidecar gateway")
