"""From what a user types to the version that is meant: a ref, a name, or enough of a name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from laimark_sidecar.errors import StateError
from laimark_sidecar.registry.names import BASE


def resolve_name(text: str, *, names: Sequence[str], refs: Mapping[str, str]) -> str:
    """Return the full name of the version meant by `text`; empty for the base.

    Accepted, in this order: `base`; a ref (`latest`, or `me:latest` where it points at a version of `me` or at the
    base); a whole name; an unambiguous beginning of a name or of its part after the colon; its last digits (`3f9a`).

    Raises:
        StateError: nothing or several versions are meant; lists the nearest.
    """
    if text == BASE:
        return ""
    ref = _ref(text, refs)
    if ref is not None:
        return refs[ref]
    if text in names:
        return text
    found = [name for name in names if text and _means(text, name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise StateError(f"{text!r} could be any of {_listed(found)}", hint="type more of the name")
    known = [BASE, *refs, *names]
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5) or [*names[:3], BASE]
    raise StateError(
        f"no version is named {text[:80]!r}; nearest: {_listed(near)}", hint="laimark-sidecar list"
    )


def _ref(text: str, refs: Mapping[str, str]) -> str | None:
    if text in refs:
        return text
    prefix, colon, short = text.partition(":")
    if colon and short in refs and refs[short].partition(":")[0] in {prefix, ""}:
        return short
    return None


def _means(text: str, name: str) -> bool:
    identity = name.partition(":")[2]
    return name.startswith(text) or identity.startswith(text) or identity.endswith(f"-{text}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
