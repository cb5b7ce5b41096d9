"""Homes for the use cases: see `tests.support.homes`."""

from __future__ import annotations

from tests.support.homes import ready_home, ready_root, small_base_dir, trained_home, trained_root
from tests.support.questions import asked_home

__all__ = ["asked_home", "ready_home", "ready_root", "small_base_dir", "trained_home", "trained_root"]
