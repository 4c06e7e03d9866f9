"""Which tests execute which lines of the product, and how long each test takes.

Recorded once for each state of the sources and each folder of tests, and kept in the cache of pytest.
"""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from coverage import Coverage

from tests.mutants.mutations import SOURCES, Mutation
from tests.mutants.runs import passes

CACHE = Path(".pytest_cache/mutants")
AT_IMPORT = ""
"""Stands for a test where a line is executed while a module is imported."""


@dataclass(frozen=True, slots=True)
class Recording:
    """seconds: processor time of each test. tests: by path from the repository's folder and by line, also AT_IMPORT."""

    seconds: dict[str, float]
    tests: Mapping[str, Mapping[int, frozenset[str]]]

    def tests_of(self, mutation: Mutation) -> dict[str, float]:
        """The tests that can notice a mutation: those that execute its statement, quickest first, with their seconds.

        A statement of an import, such as a constant or the default of a field, can affect any test.
        """
        lines = self.tests.get(mutation.path, {})
        found = _union(lines.get(line, frozenset()) for line in _statement(mutation))
        possible = self.seconds if AT_IMPORT in found else found
        order = sorted(possible, key=lambda test: (test not in found, self.seconds[test]))
        return {test: self.seconds[test] for test in order}


def recording(folders: Iterable[str], packages: Sequence[str]) -> Recording:
    """What the tests of these folders execute of these packages; made if need be.

    Raises ClickException when a test fails without a mutation.
    """
    digest, seconds = _digest(), dict[str, float]()
    tests: defaultdict[str, defaultdict[int, frozenset[str]]] = defaultdict(lambda: defaultdict(frozenset))
    for folder in folders:
        document = _document(folder, digest, packages)
        names = [name for name, _ in document["tests"]]
        seconds.update(document["tests"])
        for path, lines in document["lines"].items():
            for line, numbers in lines.items():
                tests[path][int(line)] |= {names[number] for number in numbers}
    return Recording(seconds, tests)


def _document(folder: str, digest: str, packages: Sequence[str]) -> dict[str, Any]:
    """tests: pairs of name and seconds. lines: by path and line, the numbers of the tests."""
    cache = CACHE / f"{folder.replace('/', '-')}.json"
    document: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8")) if cache.is_file() else {}
    if document.get("digest") != digest:
        click.echo(f"recording which tests of {folder} execute which lines", err=True)
        if not passes([folder], [_Recorder(cache, digest, packages)]):
            raise click.ClickException(f"tests fail without a mutation: pytest {folder}")
        document = json.loads(cache.read_text(encoding="utf-8"))
    return document


def _digest() -> str:
    """Of the product and its tests."""
    content = hashlib.sha256()
    for path in sorted((*SOURCES.rglob("*.py"), *(SOURCES.parent / "tests").rglob("*.py"))):
        content.update(path.read_bytes())
    return content.hexdigest()


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*sets)


def _statement(mutation: Mutation) -> range:
    """The lines of the innermost statement that is mutated, without those of the statements in it."""
    tree = ast.parse((SOURCES.parent / mutation.path).read_text(encoding="utf-8"))
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= mutation.line <= (node.end_lineno or node.lineno)
    ]
    innermost = max(around, key=lambda node: node.lineno)
    within = [node.lineno for node in ast.walk(innermost) if isinstance(node, ast.stmt) and node is not innermost]
    end = min(within, default=(innermost.end_lineno or innermost.lineno) + 1)
    return range(innermost.lineno, max(end, innermost.lineno + 1))


class _Recorder:
    """A plugin of pytest that measures each test of a session and writes the document at its end."""

    def __init__(self, cache: Path, digest: str, packages: Sequence[str]) -> None:
        self._cache, self._digest = cache, digest
        self._seconds = {AT_IMPORT: 0.0}
        folders = [str(SOURCES / "dualstack" / package / "*") for package in packages]
        self._coverage = Coverage(data_file=None, config_file=False, include=folders)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        began = time.process_time()
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context(AT_IMPORT)
            self._seconds[item.nodeid] = time.process_time() - began

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._coverage.stop()
        if exitstatus:
            return
        data, numbers = self._coverage.get_data(), {name: number for number, name in enumerate(self._seconds)}
        lines = {
            str(Path(path).relative_to(SOURCES.parent)): {
                line: [numbers[name] for name in names] for line, names in data.contexts_by_lineno(path).items()
            }
            for path in data.measured_files()
        }
        document = {"digest": self._digest, "tests": list(self._seconds.items()), "lines": lines}
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        self._cache.write_text(json.dumps(document), encoding="utf-8")
