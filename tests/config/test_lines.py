"""Where a name stands."""

from __future__ import annotations

import pytest

from laimark_sidecar.config.lines import line_of

TEXT = """\
# a comment
[base]
name = "x"

[ training ]  # spaced
  steps = 5
"rank" = 4
journal.fsync = "never"
"""


@pytest.mark.parametrize(
    ("section", "key", "line"),
    [
        ("base", "", 2),
        ("base", "name", 3),
        ("training", "", 5),
        ("training", "steps", 6),
        ("training", "rank", 7),
    ],
)
def test_the_line_of_a_name_is_found(section: str, key: str, line: int) -> None:
    assert line_of(TEXT, section, key) == line


def test_dotted_keys_count() -> None:
    assert line_of('training.steps = 1\nbase.name = "x"\n', "base", "name") == 2
    assert line_of('base = { name = "x" }\n', "base") == 1


def test_the_same_key_of_another_section_is_not_meant() -> None:
    assert line_of("[a]\nseed = 1\n[b]\nseed = 2\n", "b", "seed") == 4


def test_what_is_not_there_gets_the_nearest_line_above() -> None:
    assert line_of(TEXT, "training", "nothing") == 5
    assert line_of(TEXT, "nowhere", "nothing") == 1
    assert line_of("", "a", "b") == 1
