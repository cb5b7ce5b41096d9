"""Homes for the use cases: see `tests.support.homes`."""

from __future__ import annotations

from tests.support.homes import ready_home, ready_root, small_base_dir, trained_home, trained_root

__all__ = ["ready_home", "ready_root", "small_base_dir", "trained_home", "trained_root"]
