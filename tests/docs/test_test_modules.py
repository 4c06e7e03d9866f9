"""The rules for the folders of tests in CONTRIBUTING.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports; for `from a import b` both `a` and `a.b`, which may be one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def test_no_module_imports_a_test_module() -> None:
    """A helper in a test module ties two groups of tests together, and pytest would collect its tests twice."""
    modules = {".".join(("tests", *path.relative_to(TESTS).with_suffix("").parts)) for path in TESTS.rglob("test_*.py")}
    found = {
        (str(path.relative_to(TESTS)), name)
        for path in TESTS.rglob("*.py")
        for name in imported(path)
        if name in modules
    }
    assert found == set()


def test_no_unit_test_imports_what_does_io() -> None:
    """tests/unit/conftest.py refuses sockets and processes at run time; this finds imports that no test uses yet."""
    doors = ("aiohttp", "tests.support.loopback", "tests.sim", "tests.clients", "tests.contract")
    found = {
        (str(path.relative_to(TESTS)), name)
        for path in (TESTS / "unit").rglob("*.py")
        for name in imported(path)
        if name.startswith(doors)
    }
    assert found == set()
