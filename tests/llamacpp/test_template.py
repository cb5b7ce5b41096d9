"""The oracle is transformers' own renderer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BLOCKS = """{{ bos_token }}
{%- if tools %}TOOLS{% endif %}
{% for message in messages %}
    {% if loop.index0 > 3 %}{% break %}{% endif %}
    {%- if message.role == 'assistant' %}
        {% generation %}
        {{ message.content | trim }}{{ eos_token }}
        {% endgeneration %}
    {%- else %}
    [{{ message['role'] | upper }}] {{ message | tojson }}
    {% endif %}
{% endfor %}
"""
TURNS = (
    Message(role="system", content="Be brief. <b>&amp;</b>"),
    Message(role="user", content="  Grüße, 世界!\n"),
    Message(role="assistant", content=" fine \n"),
    Message(role="user", content='say "hi"'),
)


@pytest.mark.parametrize("source", [CHATML, BLOCKS], ids=["chatml", "blocks"])
@pytest.mark.parametrize("answer_next", [True, False])
def test_text_is_what_transformers_renders(source: str, answer_next: bool) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    conversation = [{"role": turn.role, "content": turn.content} for turn in TURNS]
    rendered: Any = render_jinja_template(
        conversations=[conversation],
        chat_template=source,
        add_generation_prompt=answer_next,
        bos_token="<s>",
        eos_token="</s>",
    )
    ours = ChatTemplate(source, bos="<s>", eos="</s>").render(TURNS, answer_next=answer_next)
    assert ours == rendered[0][0]  # it returns (texts, indices), whatever it declares


def test_template_of_the_gguf_is_that_of_the_hugging_face_folder(base: Base, demo_base_dir: Path) -> None:
    source = (demo_base_dir / "chat_template.jinja").read_text(encoding="utf-8")
    bos, eos = base.vocabulary.bos, base.vocabulary.eos
    assert ChatTemplate(base.template, bos=bos, eos=eos).render(TURNS) == ChatTemplate(
        source, bos=bos, eos=eos
    ).render(TURNS)


def test_refusal_of_the_template_is_quoted() -> None:
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(DataError, match="refuses this conversation: roles must alternate"):
        template.render(TURNS)


@pytest.mark.parametrize("source", ["{{ 1 / 0 }}", "{{ messages[99].content.x }}", "{{ 'a' + 1 }}"])
def test_failing_template_is_an_expected_error(source: str) -> None:
    with pytest.raises(DataError, match="refuses this conversation"):
        ChatTemplate(source).render(TURNS)


def test_template_cannot_reach_out_of_its_sandbox() -> None:
    template = ChatTemplate("{{ messages.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(DataError):
        template.render(TURNS)


def test_missing_template_says_what_still_works() -> None:
    with pytest.raises(DataError) as caught:
        ChatTemplate("")
    assert "/v1/completions" in caught.value.hint


def test_template_that_does_not_compile_is_an_expected_error() -> None:
    with pytest.raises(DataError, match="does not compile"):
        ChatTemplate("{% for %}")


def test_date_comes_from_the_clock() -> None:
    class Fixed:
        def now_s(self) -> float:
            return 1_700_000_000.0

        def monotonic_s(self) -> float:
            return 0.0

    template = ChatTemplate("{{ strftime_now('%Y') }}", clock=Fixed())
    assert template.render(TURNS) == "2023"
    assert template.render(TURNS, clock=REFERENCE_CLOCK) == "2026"
