"""What a key accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pytest

from laimark_sidecar.config.keys import Key, Range, key, keys_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Oven:
    on: bool = key(False, "Whether it is on.")
    trays: int = key(2, "Trays.", least=1, most=4)
    degrees: float = key(180.0, "Heat.", above=0)
    mode: Literal["fan", "grill"] = key("fan", "How.")
    label: str = key("", "Name.")


def the(name: str) -> Key:
    (found,) = (k for k in keys_of("oven", Oven) if k.name == name)
    return found


def test_keys_come_in_the_order_of_declaration_with_their_documentation() -> None:
    keys = keys_of("oven", Oven)
    assert [k.path for k in keys] == ["oven.on", "oven.trays", "oven.degrees", "oven.mode", "oven.label"]
    assert the("trays").doc == "Trays."
    assert the("trays").default == 2
    assert the("mode").choices == ("fan", "grill")


def test_a_declared_key_is_an_ordinary_dataclass_field() -> None:
    assert Oven().trays == 2
    assert Oven(trays=3).trays == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("on", True), ("trays", 4), ("degrees", 180), ("degrees", 0.1), ("mode", "grill"), ("label", "")],
)
def test_a_fitting_value_has_no_problem(name: str, value: object) -> None:
    assert the(name).problem(value) == ""


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("on", 1, "oven.on is 1, expected true or false"),
        ("trays", True, "oven.trays is True, expected a whole number"),
        ("trays", 2.0, "oven.trays is 2.0, expected a whole number"),
        ("trays", 5, "oven.trays is 5, expected at least 1 and at most 4"),
        ("degrees", 0, "oven.degrees is 0, expected above 0"),
        ("degrees", math.nan, "oven.degrees is nan, expected a number"),
        ("degrees", math.inf, "oven.degrees is inf, expected a number"),
        ("degrees", "hot", "oven.degrees is 'hot', expected a number"),
        ("mode", "steam", "oven.mode is 'steam', expected one of 'fan', 'grill'"),
        ("mode", 3, "oven.mode is 3, expected a text in quotes"),
        ("label", ["a"], "oven.label is ['a'], expected a text in quotes"),
    ],
)
def test_a_problem_names_key_value_and_what_is_allowed(name: str, value: object, problem: str) -> None:
    assert the(name).problem(value) == problem


def test_an_open_range_says_so() -> None:
    assert str(Range()) == "any number"
    assert Range().holds(-1e300)
