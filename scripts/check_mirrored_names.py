"""Check that every source module has its mirrored test file, and that no mirrored test has lost its module.

`sidecar/laimark_sidecar/journal/tail.py` is tested in `tests/journal/test_tail.py`,
`converters/laimark_converters/x.py` in `tests/converters/test_x.py`. Exempt are `__init__`, `__main__`, modules that
declare only types, and the test folders that follow no module: conformance, e2e, support, data, scripts.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (("sidecar/laimark_sidecar", "tests"), ("converters/laimark_converters", "tests/converters"))
FREE_TEST_FOLDERS = frozenset({"conformance", "e2e", "support", "data", "scripts"})
EXEMPT_MODULES = frozenset({"__init__", "__main__"})
SHIPPED_DATA = "modelfiles"


def declares_only_types(source: str) -> bool:
    """Say whether a module has nothing to test: no function, and in classes only stubs, fields and properties."""
    tree = ast.parse(source)
    if any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in tree.body):
        return False
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return all(_is_stub(method) for cls in classes for method in _methods(cls))


def _methods(cls: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in cls.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _is_stub(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = [node for node in method.body if not _is_constant(node)]  # docstrings and `...`
    if not body:
        return True
    is_property = any(isinstance(d, ast.Name) and d.id == "property" for d in method.decorator_list)
    # An exception that only keeps its arguments is a type too.
    keeps = method.name == "__init__" and not any(
        isinstance(node, (ast.If, ast.For, ast.Raise)) for node in body
    )
    return keeps or (is_property and len(body) == 1 and isinstance(body[0], ast.Return))


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def mirror(module: Path, source_root: Path, test_root: Path) -> Path:
    """Return where the tests of `module` belong."""
    inside = module.relative_to(source_root)
    return test_root / inside.with_name(f"test_{inside.name}")


def missing_tests(root: Path) -> list[str]:
    """Return one line for each module without its test file."""
    found = []
    for source, tests in SOURCES:
        for module in _modules(root / source):
            test = mirror(module, root / source, root / tests)
            if not test.is_file() and not declares_only_types(module.read_text(encoding="utf-8")):
                found.append(f"{module.relative_to(root)} has no {test.relative_to(root)}")
    return found


def orphan_tests(root: Path) -> list[str]:
    """Return one line for each test file whose module is gone."""
    mirrors = {
        mirror(module, root / source, root / tests)
        for source, tests in SOURCES
        for module in (root / source).rglob("*.py")
    }
    found = []
    for test in sorted((root / "tests").rglob("test_*.py")):
        inside = test.relative_to(root / "tests")
        if inside.parts[0] not in FREE_TEST_FOLDERS and test not in mirrors:
            found.append(f"{test.relative_to(root)} mirrors no module")
    return found


def _modules(source_root: Path) -> list[Path]:
    return [
        path
        for path in sorted(source_root.rglob("*.py"))
        if path.stem not in EXEMPT_MODULES and SHIPPED_DATA not in path.relative_to(source_root).parts
    ]


def main() -> int:
    found = missing_tests(ROOT) + orphan_tests(ROOT)
    print(f"{len(found)} modules or tests without their mirror")
    for line in found:
        print(f"  {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
