"""What a configuration key may hold: its meaning, its range, and the check that every value goes through."""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import Literal, TypeVar

Value = bool | int | float | str
Kind = Literal["bool", "int", "float", "str"]
T = TypeVar("T", bound=Value)
_METADATA = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Allowed numbers: from `least` to `most`, `least` itself excluded where `above` is set."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False

    def holds(self, number: float) -> bool:
        """Say whether `number` is allowed; NaN never is."""
        return (number > self.least if self.above else number >= self.least) and number <= self.most

    def __str__(self) -> str:
        low = "" if self.least == -math.inf else f"{'above' if self.above else 'at least'} {self.least:g}"
        high = "" if self.most == math.inf else f"at most {self.most:g}"
        return " and ".join(part for part in (low, high) if part) or "any number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one section, as documented and as checked."""

    section: str
    name: str
    doc: str
    default: Value
    kind: Kind
    choices: tuple[str, ...]
    """The only texts allowed; empty where any text is."""
    range: Range

    @property
    def path(self) -> str:
        """How people write it: `training.steps`."""
        return f"{self.section}.{self.name}"

    def problem(self, value: object) -> str:
        """Say what is wrong with `value`, or return an empty string. A whole number is a valid float."""
        if not _is_kind(value, self.kind):
            return f"{self.path} is {value!r}, expected {_KIND_NAMES[self.kind]}"
        if self.choices and value not in self.choices:
            return f"{self.path} is {value!r}, expected one of {', '.join(map(repr, self.choices))}"
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not self.range.holds(value):
            return f"{self.path} is {value!r}, expected {self.range}"
        return ""


_KIND_NAMES: dict[Kind, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
}


def _is_kind(value: object, kind: Kind) -> bool:
    match kind:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        case "str":
            return isinstance(value, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    doc: str
    range: Range


def key(
    default: T, doc: str, *, least: float = -math.inf, most: float = math.inf, above: float | None = None
) -> T:
    """Declare a key of a section: a dataclass field that carries its own documentation and range.

    Args:
        default: the value where neither the file nor the environment names one.
        doc: one or two sentences with units; becomes the comment in the written file.
        least: smallest number allowed.
        most: largest number allowed.
        above: numbers must be greater than this; instead of `least`.
    """
    allowed = Range(least=least if above is None else above, most=most, above=above is not None)
    field: T = dataclasses.field(default=default, metadata={_METADATA: _Declared(doc=doc, range=allowed)})
    return field


def keys_of(section: str, kind: type) -> tuple[Key, ...]:
    """Return the keys that a section's dataclass declares, in order."""
    hints = typing.get_type_hints(kind)
    return tuple(_key(section, field, hints[field.name]) for field in dataclasses.fields(kind))


def _key(section: str, field: dataclasses.Field[Value], hint: object) -> Key:
    declared: _Declared = field.metadata[_METADATA]
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    kinds: dict[object, Kind] = {bool: "bool", int: "int", float: "float", str: "str"}
    default = typing.cast(Value, field.default)
    return Key(
        section=section,
        name=field.name,
        doc=declared.doc,
        default=default,
        kind="str" if choices else kinds[hint],
        choices=choices,
        range=declared.range,
    )
