"""Programs that people use, through the real gateway process: they get what they would get without it, and it is recorded.

Oracle: the same call made directly to the runner, which answers greedily and so always alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import anthropic
import ollama
import openai
import pytest
from tests.support.gateway_home import Front, in_front_of_llama_server, in_front_of_ollama
from tests.support.homes import copy_home, opened, reconfigure, take_in
from tests.support.llama_server import needs_llama_server
from tests.support.processes import run_command, wait_until

from laimark_converters.base_gguf import write_base_gguf
from laimark_sidecar.journal.exchange import Exchange, Message, ToolCall

QUESTION = "Complete the code:\n```python\ndef one():\n```"
ASKED = (Message(role="user", content=QUESTION),)
GREEDY = {"temperature": 0.0, "num_predict": 12}
MOST = 12
Ollamas = Callable[[str], ollama.Client]
OpenAIs = Callable[[str], openai.OpenAI]


@pytest.fixture(scope="module")
def before_ollama(
    ready_root: Path, demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    home = copy_home(ready_root, tmp_path_factory.mktemp("ollama") / "home")
    reconfigure(home, "replay", quarantine_hours=0.0)
    with in_front_of_ollama(home, demo_gguf) as front:
        yield front


@pytest.fixture(scope="module")
def before_llama_server(
    ready_root: Path, demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    home = copy_home(ready_root, tmp_path_factory.mktemp("llama") / "home")
    with in_front_of_llama_server(home, demo_gguf) as front:
        yield front


@pytest.fixture(scope="module")
def before_tools(
    ready_root: Path, demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("tools")
    home = copy_home(ready_root, folder / "home")
    shutil.copytree(demo_base_dir, folder / "base")
    (folder / "base" / "chat_template.jinja").write_text(TOOLS_TEMPLATE, encoding="utf-8")
    write_base_gguf(folder / "base", folder / "base.gguf")
    with in_front_of_llama_server(home, folder / "base.gguf") as front:
        yield front


def said(found: list[Exchange]) -> tuple[tuple[Message, ...], str, str, str]:
    """What a record says of one conversation."""
    (one,) = found
    return one.messages, one.answer, one.finish, one.client


@pytest.fixture
def ollama_at() -> Iterator[Ollamas]:
    """Make clients; their connections are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(url: str) -> ollama.Client:
            client = ollama.Client(host=url)
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def openai_at() -> Iterator[OpenAIs]:
    """Make clients; their connections are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda url: stack.enter_context(
            openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        )


def test_ollamas_own_client_chats(before_ollama: Front, ollama_at: Ollamas) -> None:
    front = before_ollama

    def chat(url: str) -> ollama.ChatResponse:
        asked = [{"role": "user", "content": QUESTION}]
        return ollama_at(url).chat(front.model, asked, options=GREEDY)

    direct = chat(front.direct)
    with front.recording(1) as found:
        through = chat(front.url)
    assert through.message.content == direct.message.content
    assert said(found) == (ASKED, direct.message.content, direct.done_reason, "ollama-python")
    assert found[0].model == front.model
    assert found[0].base_sha256 == opened(front.home).base.identity.sha256


def test_ollamas_own_client_streams_and_generates(before_ollama: Front, ollama_at: Ollamas) -> None:
    front, client = before_ollama, ollama_at(before_ollama.url)
    asked = [{"role": "user", "content": QUESTION}]
    with front.recording(1) as found:
        parts = [
            part.message.content or ""
            for part in client.chat(front.model, asked, options=GREEDY, stream=True)
        ]
    assert len(parts) > 2
    assert said(found)[:2] == (ASKED, "".join(parts))
    direct = ollama_at(front.direct).generate(front.model, QUESTION, options=GREEDY, raw=True)
    with front.recording(1) as found:
        through = client.generate(front.model, QUESTION, options=GREEDY, raw=True)
    assert through.response == direct.response
    assert said(found)[:2] == (ASKED, direct.response)


def test_what_ollamas_client_asks_of_models_passes_and_is_no_conversation(
    before_ollama: Front, ollama_at: Ollamas
) -> None:
    front = before_ollama
    through, direct = ollama_at(front.url), ollama_at(front.direct)
    with front.recording(0):
        assert through.list() == direct.list()


def test_openais_client_chats_with_ollama(before_ollama: Front, openai_at: OpenAIs) -> None:
    front = before_ollama

    def chat(url: str) -> str | None:
        answer = openai_at(url).chat.completions.create(
            model=front.model,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=MOST,
        )
        return answer.choices[0].message.content

    direct = chat(front.direct)
    with front.recording(1) as found:
        assert chat(front.url) == direct
    assert said(found) == (ASKED, direct, "stop", "openai-python")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_is_recorded_unless_the_user_or_it_says_no(before_ollama: Front, ollama_at: Ollamas) -> None:
    front = before_ollama
    body = json.dumps(
        {"model": front.model, "prompt": QUESTION, "stream": False, "options": GREEDY, "raw": True}
    )

    def curl(*arguments: str) -> str:
        line = ["curl", "-sS", *arguments, f"{front.url}/api/generate", "-d", body]
        ran = subprocess.run(line, capture_output=True, encoding="utf-8", check=True)
        answer: str = json.loads(ran.stdout)["response"]
        return answer

    with front.recording(1) as found:
        answer = curl()
    assert said(found) == (ASKED, answer, "length", "curl")
    with front.recording(0):
        curl("-H", "X-Laimark-Record: off")
        assert run_command(front.home, "logs", "off", "--client", "curl").returncode == 0
        curl()
        assert run_command(front.home, "pause").returncode == 0
        ollama_at(front.url).generate(front.model, QUESTION, options=GREEDY, raw=True)
        assert run_command(front.home, "resume").returncode == 0
    assert run_command(front.home, "logs", "on", "--client", "curl").returncode == 0
    with front.recording(1):
        curl()


def test_a_correction_typed_into_ollamas_client_becomes_a_lesson(
    before_ollama: Front, ollama_at: Ollamas
) -> None:
    front, client = before_ollama, ollama_at(before_ollama.url)
    asked = [{"role": "user", "content": "Which port does the build server use?"}]
    with front.recording(2):
        first = client.chat(front.model, asked, options=GREEDY)
        told = "No, it should be: the build server uses port 4711."
        asked += [
            {"role": "assistant", "content": first.message.content or ""},
            {"role": "user", "content": told},
        ]
        client.chat(front.model, asked, options=GREEDY)
    workshop = opened(front.home)
    assert take_in(workshop) > 0
    with workshop.store() as store:
        lessons = [one for one in store.items(limit=1000) if "4711" in one.target]
    (lesson,) = lessons
    assert (lesson.source, lesson.messages[-1].content) == (
        "gateway",
        "Which port does the build server use?",
    )


@needs_llama_server
def test_openais_client_streams_completes_and_responds_with_llama_server(
    before_llama_server: Front, openai_at: OpenAIs
) -> None:
    front = before_llama_server
    through, direct = openai_at(front.url), openai_at(front.direct)
    with front.recording(1) as found:
        stream = through.chat.completions.create(
            model=front.model,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=MOST,
            stream=True,
        )
        text = "".join(part.choices[0].delta.content or "" for part in stream if part.choices)
    assert said(found) == (ASKED, text, "stop", "openai-python")
    expected = direct.completions.create(model=front.model, prompt="def one", temperature=0, max_tokens=MOST)
    with front.recording(1) as found:
        got = through.completions.create(model=front.model, prompt="def one", temperature=0, max_tokens=MOST)
    assert got.choices[0].text == expected.choices[0].text
    assert said(found)[1] == expected.choices[0].text
    with front.recording(1) as found:
        response = through.responses.create(
            model=front.model, input=QUESTION, temperature=0, max_output_tokens=MOST
        )
    assert said(found)[:2] == (ASKED, response.output_text)


@needs_llama_server
def test_anthropics_client_streams_from_llama_server(before_llama_server: Front) -> None:
    front = before_llama_server

    def message(url: str) -> str:
        asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": QUESTION}]
        with (
            anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client,
            client.messages.stream(
                model=front.model, messages=asked, max_tokens=MOST, extra_body={"temperature": 0}
            ) as stream,
        ):
            return "".join(stream.text_stream)

    direct = message(front.direct)
    with front.recording(1) as found:
        assert message(front.url) == direct
    assert said(found) == (ASKED, direct, "stop", "anthropic-python")


@needs_llama_server
def test_a_stream_is_told_as_busy_and_one_that_is_closed_stops_the_server_and_is_recorded_as_aborted(
    before_llama_server: Front, openai_at: OpenAIs
) -> None:
    front = before_llama_server

    def at_work() -> bool:
        with urllib.request.urlopen(f"{front.direct}/slots", timeout=10) as answer:
            return any(slot["is_processing"] for slot in json.load(answer))

    with front.recording(1) as found:
        stream = openai_at(front.url).chat.completions.create(
            model=front.model,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            max_tokens=100_000,
            extra_body={"ignore_eos": True, "temperature": 5.0, "min_p": 0, "top_k": 0},
        )
        text = ""
        for part in stream:
            text += part.choices[0].delta.content or ""
            if len(text) > 20:
                break
        with front.held():
            assert front.activity().busy
            stream.close()
        wait_until(lambda: not at_work(), "the server has stopped")
    (one,) = found
    assert one.finish == "aborted"
    assert one.answer.startswith(text)


TOOLS_TEMPLATE = """{% if tools %}Tools: {{ tools | tojson }}
{% endif %}{% for message in messages %}<{{ message.role }}>{{ message.content or "" }}
{%- if message.tool_calls %}{% for call in message.tool_calls -%}
<function={{ call.function.name }}>{{ call.function.arguments | tojson }}</function>
{%- endfor %}{% endif %}</{{ message.role }}>
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"""
"""llama.cpp finds out from a template how calls are written, and with `tool_choice` allows nothing else."""


@needs_llama_server
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_the_model_calls_is_recorded_as_called(
    before_tools: Front, openai_at: OpenAIs, stream: bool
) -> None:
    front = before_tools
    city = {"type": "string", "enum": ["Bern"]}
    parameters = {"type": "object", "properties": {"city": city}, "required": ["city"]}
    body = {
        "model": front.model,
        "messages": [{"role": "user", "content": "How is the weather?"}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
        "tool_choice": "required",
        "temperature": 0,
        "max_tokens": 60,
    }
    expected = openai_at(front.direct).chat.completions.create(**body)  # type: ignore[call-overload]
    calls = tuple(
        ToolCall(name=call.function.name, arguments=call.function.arguments)
        for call in expected.choices[0].message.tool_calls
    )
    assert calls[0].name == "weather"
    assert json.loads(calls[0].arguments) == {"city": "Bern"}
    with front.recording(1) as found:
        answer = openai_at(front.url).chat.completions.create(**body, stream=stream)  # type: ignore[call-overload]
        if stream:
            assert any(part.choices[0].delta.tool_calls for part in answer if part.choices)
    (one,) = found
    assert one.tool_calls == calls


LITELLM = os.environ.get("LAIMARK_LITELLM_PYTHON", "")
ASKING = """
import json, sys, litellm
url, model, question, most = sys.argv[1:]
fields = dict(model=f"openai/{model}", api_base=f"{url}/v1", api_key="none", temperature=0, max_tokens=int(most),
              messages=[{"role": "user", "content": question}], num_retries=0)
whole = litellm.completion(**fields).choices[0].message.content
parts = [part.choices[0].delta.content or "" for part in litellm.completion(stream=True, **fields)]
print(json.dumps([whole, "".join(parts)]))
"""


@needs_llama_server
@pytest.mark.skipif(
    not LITELLM, reason="LAIMARK_LITELLM_PYTHON is not set; ./scripts/test installs litellm if it can"
)
@pytest.mark.timeout(240)
def test_litellm_asks_and_streams(before_llama_server: Front) -> None:
    front = before_llama_server

    def ask(url: str) -> list[str]:
        ran = subprocess.run(
            [LITELLM, "-c", ASKING, url, front.model, QUESTION, str(MOST)],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        answers: list[str] = json.loads(ran.stdout.splitlines()[-1])
        return answers

    direct = ask(front.direct)
    with front.recording(2) as found:
        assert ask(front.url) == direct
    assert [(one.messages, one.answer) for one in found] == [(ASKED, answer) for answer in direct]
