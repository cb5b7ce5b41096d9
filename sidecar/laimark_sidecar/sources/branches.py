"""A chat that is kept as a tree of messages becomes exchanges: one for each answer, with the branch that led to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

Node = TypeVar("Node")
MAX_DEPTH = 2000
"""Messages of one branch; what is deeper is a loop or nobody's chat."""


def branch(nodes: Mapping[str, Node], leaf: str, parent_of: Callable[[Node], str]) -> tuple[Node, ...] | None:
    """Return the nodes from the root to `leaf`; None where a parent is missing, or the links run in a circle."""
    found: list[Node] = []
    seen: set[str] = set()
    here = leaf
    while here:
        node = nodes.get(here)
        if node is None or here in seen or len(found) >= MAX_DEPTH:
            return None
        seen.add(here)
        found.append(node)
        here = parent_of(node)
    return tuple(reversed(found))
