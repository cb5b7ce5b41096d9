"""A jinja2 sandbox that also bounds the work: a template is code that came with a downloaded model.

Bounded: the time, looked at in every round of a loop, at every call (a macro counts) and at every filter; and the length
of every value that an operator, a filter, a call or a block makes. Not bounded: what a single filter or method does
within one step: up to some ten seconds (`sort` of ten million entries, measured), or memory, as for a format with a width
of billions or the text of a list of lists that doubles at each level (`template.py` turns the MemoryError into an expected
error); and how many values are held at once but by the time (2 GiB, measured).

Text comes out as from jinja2's own sandbox. Source of what is overridden: jinja2 3.1, `sandbox.py`, `compiler.py`.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import Environment, TemplateRuntimeError, nodes, pass_context, pass_eval_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext, markup_join, str_join
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MOST_S = 2.0
"""Of processor time, so that a busy or halted machine refuses nothing. A thousand turns take 2 ms (measured)."""
LONGEST = 10_000_000
"""Most characters or entries of one value; a context of a million tokens has about four million characters."""
_MOST_BITS = 100_000
"""Of a product or a power; jinja2 cannot print a number of more than 4300 digits anyway."""
_SIZED = (str, bytes, list, tuple, dict)
# Filters whose arguments are a width or a count.
_WITH_COUNT = ("batch", "center", "indent", "round", "slice")
# No template can spell these.
_ROUNDS, _JOINED = "laimark rounds", "laimark joined"
# Of this thread's processor time; while jinja2 compiles, nothing loops.
_END_S = ContextVar("laimark_template_end_s", default=math.inf)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Templates of it end, if they are rendered within `in_time()`.

    Rendering raises `TemplateRuntimeError` where a bound is passed.
    """

    intercepted_binops = frozenset({"+", "*", "**"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.code_generator_class = _Generator
        self.concat = _concat  # type: ignore[method-assign] # of the output, and of what blocks and macros print
        self.filters = {name: bounded(function) for name, function in self.filters.items()}
        self.filters |= {name: _counting(self.filters[name]) for name in _WITH_COUNT}
        self.filters["sum"] = _summing(self.filters["sum"])
        self.globals.pop("lipsum", None)  # as many random words as asked for
        self.filters[_ROUNDS] = _rounds
        self.filters[_JOINED] = bounded(_joined)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _require_bits(left, right, lambda: left.bit_length() + right.bit_length())
            _require_short(_length(left) * right if isinstance(right, int) else 0)
            _require_short(_length(right) * left if isinstance(left, int) else 0)
        elif operator == "**":
            _require_bits(left, right, lambda: left.bit_length() * right)
        result = self.binop_table[operator](left, right)
        _require_short(_length(result))
        return result

    def call(self, context: Context, obj: Any, /, *arguments: Any, **options: Any) -> Any:
        _require_time()
        if isinstance(getattr(obj, "__self__", None), str | bytes | int):
            _require_counts((*arguments, *options.values()))
        if isinstance(obj, LoopContext):  # of a recursive loop: what it is called with is looped over
            arguments = tuple(map(_timed, arguments))
        result = super().call(context, obj, *arguments, **options)
        _require_short(_length(result))
        return result


@contextmanager
def in_time() -> Iterator[None]:
    """Bound the time of the rendering within, which stays in this thread."""
    token = _END_S.set(time.thread_time() + MOST_S)
    try:
        yield
    finally:
        _END_S.reset(token)


class _Generator(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - jinja2's name
        super().visit_Template(_Rewriting().visit(node), frame)


class _Rewriting(NodeTransformer):
    """Puts the bounds where the sandbox has no hook: into loops and the operator `~`."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - jinja2's name
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _ROUNDS)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - jinja2's name
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno, environment=node.environment), _JOINED)


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


@pass_context  # keeps jinja2 from running a loop while it compiles
def _rounds(_context: Context, items: Iterable[Any]) -> Iterator[Any]:
    return _timed(items)


def _timed(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _require_time()
        yield item


@pass_eval_context
def _joined(context: EvalContext, parts: Iterable[Any]) -> str:
    return (markup_join if context.autoescape else str_join)(parts)


def _concat(parts: Iterable[str]) -> str:
    texts, length = [], 0
    for text in parts:
        length += len(text)
        _require_short(length)
        texts.append(text)
    return "".join(texts)


def bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter whose results are bounded; those that jinja2 brings are already."""

    @functools.wraps(function)  # jinja2 reads attributes of filters
    def checked(*arguments: Any, **options: Any) -> Any:
        _require_time()
        result = function(*arguments, **options)
        _require_short(_length(result))
        return result

    return checked


def _counting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(value: Any, *arguments: Any, **options: Any) -> Any:
        _require_counts((*arguments, *options.values()))
        return function(value, *arguments, **options)

    return checked


def _summing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Sums of lists take quadratic time."""

    @functools.wraps(function)
    def checked(environment: Environment, items: Iterable[Any], *arguments: Any, **options: Any) -> Any:
        return function(environment, _timed(items), *arguments, **options)

    return checked


def _length(value: Any) -> int:
    return len(value) if isinstance(value, _SIZED) else 0


def _require_time() -> None:
    if time.thread_time() > _END_S.get():
        raise TemplateRuntimeError(f"it takes longer than {MOST_S:g} s")


def _require_short(length: int) -> None:
    if length > LONGEST:
        raise TemplateRuntimeError(
            f"it makes a value of {length} characters or entries; {LONGEST} are allowed"
        )


def _require_counts(arguments: Iterable[Any]) -> None:
    for argument in arguments:
        if isinstance(argument, int) and argument > MAX_RANGE:
            raise TemplateRuntimeError(f"it asks for {argument} times something; {MAX_RANGE} are allowed")


def _require_bits(left: Any, right: Any, bits: Callable[[], int]) -> None:
    if isinstance(left, int) and isinstance(right, int) and bits() > _MOST_BITS:
        raise TemplateRuntimeError(f"it makes a number of more than {_MOST_BITS} bits")
