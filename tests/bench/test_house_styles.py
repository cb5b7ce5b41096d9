from __future__ import annotations

import ast

import pytest

from laimark_sidecar.bench.house_styles import STYLES, HouseStyle, Style, breaks, follows, shows, styled

SOURCE = '''import os_path

class Box:
    @property
    def side_area(self, half_size=1):
        """Keep my_name here."""
        name = 'it' + "don't"  # self_made
        if name: return name
        return self.side_area(
            half_size,
        )
'''


@pytest.mark.parametrize(
    ("style", "wanted"),
    [
        ("camel", "def sideArea(self, halfSize=1):"),
        ("this", 'name = "it" + "don\'t"  # self_made'),
        ("this", "return this.side_area("),
        ("semicolon", "name = 'it' + \"don't\";  # self_made"),
        ("semicolon", "if name: return name;"),
        ("semicolon", "        );"),
        ("semicolon", "    @property\n"),
        ("camel", '"""Keep my_name here."""'),
    ],
)
def test_a_style_rewrites_code_and_leaves_text_alone(style: Style, wanted: str) -> None:
    assert wanted in styled(SOURCE, style)


@pytest.mark.parametrize("style", ["camel", "this", "semicolon"])
def test_styled_code_is_python_and_stays_as_it_is_when_styled_again(style: Style) -> None:
    once = styled(SOURCE, style)
    ast.parse(once)
    assert styled(once, style) == once


def test_code_that_does_not_parse_has_no_style() -> None:
    assert styled("def f(:\n", "camel") == ""


@pytest.mark.parametrize(
    ("line", "style"), [("x = my_name", "camel"), ("self.x = 1", "this"), ("x = 1", "semicolon")]
)
def test_the_verifier_sees_a_line_in_another_style(line: str, style: Style) -> None:
    assert breaks(line, style)
    assert not breaks(styled(line + "\n", style).strip(), style)
    assert not breaks(line, "")


@pytest.mark.parametrize(
    ("line", "style"), [("fooBar = 1", "camel"), ("return this.x", "this"), ("return 1;", "semicolon")]
)
def test_a_line_follows_a_style_that_it_shows_and_breaks_nowhere(line: str, style: HouseStyle) -> None:
    assert follows(line, style)
    assert not any(follows("total = 1", other) for other in STYLES)


def test_half_of_a_style_is_shown_and_not_followed() -> None:
    assert shows("fooBar = foo_bar", "camel")
    assert not follows("fooBar = foo_bar", "camel")
