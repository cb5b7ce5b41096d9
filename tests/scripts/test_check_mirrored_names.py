"""Which modules need a test file, and which test files have lost their module."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.check_mirrored_names import declares_only_types, missing_tests, orphan_tests


def write(root: Path, *names: str, text: str = "def act() -> int:\n    return 1\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_a_module_without_its_test_is_named(tmp_path: Path) -> None:
    write(tmp_path, "sidecar/laimark_sidecar/journal/tail.py", "converters/laimark_converters/lora.py")
    assert missing_tests(tmp_path) == [
        "sidecar/laimark_sidecar/journal/tail.py has no tests/journal/test_tail.py",
        "converters/laimark_converters/lora.py has no tests/converters/test_lora.py",
    ]


def test_a_mirrored_module_is_fine(tmp_path: Path) -> None:
    write(tmp_path, "sidecar/laimark_sidecar/journal/tail.py", "tests/journal/test_tail.py")
    write(tmp_path, "converters/laimark_converters/lora.py", "tests/converters/test_lora.py")
    assert missing_tests(tmp_path) + orphan_tests(tmp_path) == []


def test_entry_modules_and_shipped_data_need_no_test(tmp_path: Path) -> None:
    inside = "sidecar/laimark_sidecar"
    write(tmp_path, f"{inside}/__init__.py", f"{inside}/__main__.py", f"{inside}/modelfiles/base/code.py")
    assert missing_tests(tmp_path) == []


def test_an_orphan_is_named(tmp_path: Path) -> None:
    write(tmp_path, "tests/journal/test_gone.py", "tests/test_top.py")
    assert orphan_tests(tmp_path) == [
        "tests/journal/test_gone.py mirrors no module",
        "tests/test_top.py mirrors no module",
    ]


@pytest.mark.parametrize("folder", ["conformance", "e2e", "support", "data", "scripts"])
def test_some_test_folders_follow_no_module(tmp_path: Path, folder: str) -> None:
    write(tmp_path, f"tests/{folder}/test_anything.py")
    assert orphan_tests(tmp_path) == []


def test_a_test_of_a_types_only_module_is_no_orphan(tmp_path: Path) -> None:
    write(tmp_path, "sidecar/laimark_sidecar/item.py", text="X = 1\n")
    write(tmp_path, "tests/test_item.py")
    assert missing_tests(tmp_path) + orphan_tests(tmp_path) == []


@pytest.mark.parametrize(
    "source",
    [
        '"""Doc."""\nfrom typing import Literal\nKind = Literal["a"]\n',
        "class A:\n    x: int = 1\n    @property\n    def y(self) -> int:\n        return self.x\n",
        'class P(Protocol):\n    def go(self) -> None:\n        """Go."""\n        ...\n    def stop(self) -> None: ...\n',
        "class E(Exception):\n    def __init__(self, m: str) -> None:\n        super().__init__(m)\n        self.m = m\n",
    ],
)
def test_types_alone_need_no_test(source: str) -> None:
    assert declares_only_types(source)


@pytest.mark.parametrize(
    "source",
    [
        "def act() -> None:\n    ...\n",
        "async def act() -> None:\n    ...\n",
        "class A:\n    def act(self) -> int:\n        return 1\n",
        "class A:\n    @property\n    def y(self) -> int:\n        z = 1\n        return z\n",
        "class A:\n    def __init__(self, x: int) -> None:\n        if x:\n            raise ValueError(x)\n",
    ],
)
def test_behaviour_needs_a_test(source: str) -> None:
    assert not declares_only_types(source)
