from __future__ import annotations

from laimark_sidecar.sources.branches import MAX_DEPTH, branch

PARENTS = {"a": "", "b": "a", "c": "b", "d": "a", "lost": "nobody", "x": "y", "y": "x"}


def names(leaf: str) -> tuple[str, ...] | None:
    nodes = {key: (key, parent) for key, parent in PARENTS.items()}
    found = branch(nodes, leaf, lambda node: node[1])
    return None if found is None else tuple(key for key, _ in found)


def test_a_branch_goes_from_the_root_to_its_leaf() -> None:
    assert names("c") == ("a", "b", "c")
    assert names("d") == ("a", "d")


def test_a_branch_without_a_root_is_none() -> None:
    assert names("lost") is None
    assert names("x") is None
    assert names("unknown") is None


def test_a_chain_without_end_is_given_up() -> None:
    chain = {str(number): str(number - 1) if number else "" for number in range(MAX_DEPTH + 1)}
    assert branch(chain, str(MAX_DEPTH), lambda parent: parent) is None
