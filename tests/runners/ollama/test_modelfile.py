from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import ollama_modelfile

from laimark_sidecar.errors import DataError
from laimark_sidecar.runners.ollama.api import Shown, Turn
from laimark_sidecar.runners.ollama.marker import Marker, parse
from laimark_sidecar.runners.ollama.modelfile import (
    adapter_modelfile,
    merged_modelfile,
    quoted,
    template_text,
)

MARKER = Marker(version="me:2026-11-22-3f9a", adapter_sha256="ab" * 32)
NASTY = 'a "quoted" word\r\n\t"""in the middle"""of a line\n  FROM evil\n""'


def read_as_system(value: str) -> str | None:
    """What Ollama takes for the system prompt, if there is nothing else but the base in the file."""
    try:
        system, base = ollama_modelfile.parse(f"SYSTEM {value}\nFROM base")
    except ValueError:
        return None
    return system.value if base == ollama_modelfile.Command("from", "base") else None


def read_back(text: str) -> dict[str, object]:
    return ollama_modelfile.create_fields(ollama_modelfile.parse(text))


@given(st.text(alphabet=st.sampled_from('"\n\r\t aé#\u00a0\x0c')))
def test_what_is_quoted_reads_back_as_it_was_or_is_refused(text: str) -> None:
    try:
        value = quoted(text)
    except DataError:
        assert read_as_system(f'"""{text}"""') != text
    else:
        assert read_as_system(value) == text


@pytest.mark.parametrize("text", ['a"""\nFROM evil', "no\u00a0break", "bell\x07", 'a"""  \n'])
def test_text_that_ollama_would_read_otherwise_is_refused(text: str) -> None:
    with pytest.raises(DataError) as caught:
        quoted(text)
    assert "through Ollama's interface" in caught.value.hint


def test_merged_modelfile_gives_ollama_the_bases_settings_back(tmp_path: Path) -> None:
    base = Shown(
        template=NASTY,
        system=NASTY,
        renderer="gemma4",
        parser="gemma4",
        parameters='stop "<|im_end|>"\nstop "\\n\\"\\""\ntemperature 0.5\nnum_ctx 1.048576e+06',
        messages=[Turn(role="user", content=NASTY), Turn(role="assistant", content="ok: yes")],
        license="GNU\x0c licence",
    )
    merged = tmp_path / "a merged model.gguf"
    fields = read_back(merged_modelfile(template_text("merged"), marker=MARKER, merged=merged, base=base))
    licenses = fields.pop("license")
    assert fields == {
        "from": str(merged),
        "template": NASTY,
        "system": NASTY,
        "renderer": "gemma4",
        "parser": "gemma4",
        "parameters": {"stop": ["<|im_end|>", '\n""'], "temperature": 0.5, "num_ctx": 1048576},
        "messages": [{"role": "user", "content": NASTY}, {"role": "assistant", "content": "ok: yes"}],
    }
    assert isinstance(licenses, list)
    assert licenses[0] == "GNU licence"
    assert parse(licenses[1]) == MARKER


def test_adapter_modelfile_names_the_base_the_adapter_and_us(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.gguf"
    text = adapter_modelfile(template_text("adapter"), marker=MARKER, base="llama3.2:1b", adapter=adapter)
    fields = read_back(text)
    assert (fields["from"], fields["adapter"]) == ("llama3.2:1b", str(adapter))
    assert parse("\n".join(fields["license"])) == MARKER  # type: ignore[arg-type]
    assert f"ollama create {MARKER.version} -f" in text


@pytest.mark.parametrize("path", ["a\nADAPTER evil", ' "', "", "tab\tbed"])
def test_path_that_is_not_one_plain_line_is_refused(path: str) -> None:
    with pytest.raises(DataError, match="one plain line"):
        adapter_modelfile(template_text("adapter"), marker=MARKER, base=path, adapter=Path("x"))
