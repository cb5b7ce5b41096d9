"""The oracle for what comes out is transformers' own renderer; a template that does not end fails by the test's timeout."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp import sandbox
from laimark_sidecar.llamacpp.template import ChatTemplate

TURNS = tuple(Message(role=("user", "assistant")[place % 2], content=f"say {place}") for place in range(5))
GROWING = "{{% set n = namespace(x='\\\\x') %}}{{% for i in range(60) %}}{}{{% endfor %}}"
FEATURES = """
{%- set ns = namespace(last=-1, seen=[], most=9999999999) -%}
{%- macro shout(text, times=2) -%}{{ (text ~ '!') | upper * times }}{{ varargs | length }}{%- endmacro -%}
{%- macro wrapped() -%}<{{ caller() }}>{%- endmacro -%}
{%- for message in messages if message.role == 'user' -%}
  {{ loop.index }}/{{ loop.length }}/{{ loop.revindex }} {{ loop.first }} {{ loop.last }} {{ loop.nextitem is defined }}
  {%- if loop.previtem is defined %} {{ loop.previtem.content }}{% endif -%}
  {{ loop.cycle('a', 'b') }} {{ loop.changed(message.role) }}
  {%- set ns.seen = ns.seen + [message.content] -%}
  {%- set ns.last = loop.index0 -%}
{%- else -%}nobody{%- endfor -%}
{%- for nothing in absent -%}never{%- else -%}empty{%- endfor -%}
{%- for node in [{'n': 1, 'c': [{'n': 2, 'c': []}]}] recursive -%}{{ loop.depth }}{{ node.n }}{{ loop(node.c) }}{%- endfor -%}
{%- set body -%}{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a ~ b }}{% endfor %}{%- endset -%}
{{ body | length }} {{ shout('hi', 3) }} {% call wrapped() %}in{% endcall %} {{ 2 ** 10 * 3 }} {{ 7 * 1.5 }} {{ 2 ** -1 }}
{{ ns.seen | join(', ') }} {{ messages | map(attribute='role') | unique | list }} {{ 'a' 'b' + 'c' }} {{ '%s-%d' % ('x', 3) }}
{{ [1, 2, 3][::-1] }} {{ range(3) | sum }} {{ [{'n': 1}, {'n': 2}] | sum('n', 3) }} {{ 'x' | center(5) | replace(' ', '.') }} {{ 3.14159 | round(2) }} {{ absent ~ 'z' }}
{{ messages[0] | tojson(indent=2) }} {{ 'a\nb' | indent(2) }} {{ [1, 2, 3] | batch(2, 0) | list }} {{ 'x'.ljust(3) }}|
{{ 1700000000 | string }} {{ absent | default(1700000000) }} {{ {'k': 1}.get('z', 1700000000) }} {{ 'x' * -1 }}{{ true * 2 }}
{% autoescape true %}{{ ('<' ~ ns.last) | safe ~ '<b>' }}{{ '<c>' ~ ns.last }}{% endautoescape %}
{% filter upper %}loud{% endfilter %} {{ cycler('a', 'b').next() }} {{ dict(a=1) }} {% with q = 1 %}{{ q }}{% endwith %}
"""


def test_text_is_what_transformers_renders_whatever_of_the_language_is_used() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    conversation = [{"role": turn.role, "content": turn.content} for turn in TURNS]
    rendered: Any = render_jinja_template(conversations=[conversation], chat_template=FEATURES)
    assert ChatTemplate(FEATURES).render(TURNS, answer_next=False) == rendered[0][0]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) if range(99999) | list | sort | length == 0 %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for a in range(9999) recursive %}{% if loop.depth < 4 %}{{ loop(range(99999)) }}{% endif %}{% endfor %}",
        "{% macro m() %}{% for a in range(9999) %}{{ caller() }}{% endfor %}{% endmacro %}"
        "{% call m() %}{% call m() %}{% endcall %}{% endcall %}",
        "{{ range(99999) | map('center', 99999) | list | length }}",
        "{{ ([[1] * 999] * 9999) | sum(start=[]) | length }}",
    ],
    ids=["loops", "filter", "macro", "recursive-loop", "call-block", "map", "sum"],
)
def test_template_that_does_not_end_is_ended(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MOST_S", 0.5)
    with pytest.raises(DataError, match="refuses this conversation: it takes longer than"):
        ChatTemplate(source).render(TURNS)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * (10 ** 13) }}",
        "{{ (10 ** 13) * [1] }}",
        "{{ 9 ** (9 ** (9 ** 9)) }}",
        "{{ 'x' | center(10 ** 10) }}",
        "{{ 'x'.center(10 ** 10) }}",
        "{{ (1).to_bytes(10 ** 10, 'big') }}",
        "{{ 1 | round(10 ** 9, 'floor') }}",
        "{{ [] | slice(10 ** 9) | list }}",
        "{% for a in range(99999) %}{{ 'x' * 9999999 }}{% endfor %}",
        GROWING.format("{% set n.x = n.x ~ n.x %}"),
        GROWING.format("{% set n.x = n.x + n.x %}"),
        GROWING.format("{% set n.x = [n.x, n.x] | join %}"),
        GROWING.format("{% set n.x = n.x.replace('x', 'xx') %}"),
        GROWING.format("{% set n.x = n.x | tojson %}"),
        GROWING.format("{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"),
        "{% set n = namespace(x=99) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    ],
)
def test_value_that_is_too_large_is_refused_before_it_takes_memory(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"refuses this conversation: it (makes|asks for)"):
            ChatTemplate(source).render(TURNS)
        assert tracemalloc.get_traced_memory()[1] < 20 * sandbox.LONGEST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "refuses this conversation: maximum recursion"),
        ("{{ " + "(" * 9999 + "1" + ")" * 9999 + " }}", "does not compile: maximum recursion"),
        ("{{ " + "9" * 5000 + " }}", "does not compile: Exceeds the limit"),
        ("{{ '%99999999999999999d' % 1 }}", "refuses this conversation: MemoryError"),
        ("{{ range(10 ** 6) }}", "refuses this conversation: Range too big"),
        (
            "{% for a in messages %}" * 30 + "{% endfor %}" * 30,
            "does not compile: too many statically nested",
        ),
    ],
    ids=["macro", "parentheses", "digits", "width", "range", "nesting"],
)
def test_template_that_python_gives_up_on_is_an_expected_error(source: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        ChatTemplate(source).render(TURNS)
