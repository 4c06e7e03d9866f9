"""Runs tests against mutations: each in a forked process that imports the mutated source instead of the file.

Nothing is written to the source tree. The parent has imported whatever the tests need and no mutation changes, so that
a run begins within half a second.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.util
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.mutations import SOURCES, Mutation

PRELOADED = (
    *("aiohttp", "google.auth", "anyio.pytest_plugin", "hypothesis.stateful", "lightkube", "pytest_asyncio"),
    "tests.contract.witness",
    *("dualstack.gce.client", "dualstack.kube.client", "dualstack_sim.world.gardener.builder"),
    *("dualstack_sim.compute.api.server", "dualstack_sim.kube.server", "dualstack_sim.fabric"),
)
ARGUMENTS = (
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=mutants",
    "-m",
    "not slow and not clients and not kube",
)
HANGS = 30
"""Seconds after which a test of a mutation fails."""

INTERVAL = 0.05
"""Seconds between two checks of the processes that run."""


def preload(mutated: Iterable[str]) -> None:
    """Import what every run needs. Raises RuntimeError when that includes a package of `mutated`."""
    sys.dont_write_bytecode = False  # a run then need not compile again what another one has compiled
    for name in PRELOADED:
        importlib.import_module(name)
    early = [name for name in sys.modules if name.startswith(tuple(f"dualstack.{package}." for package in mutated))]
    if early:
        raise RuntimeError(f"{early[0]} is imported before it can be mutated")
    gc.freeze()  # a run then need not look through what it shares with its parent


@dataclass(frozen=True, slots=True)
class Run:
    """A mutation, the tests that can notice it in their order, and the seconds of processor time after which it counts
    as noticed: it may repeat a step without end, also while tests are collected."""

    mutation: Mutation
    tests: Sequence[str]
    seconds: float


def survivors(work: Iterable[Run], *, jobs: int) -> Iterator[Mutation]:
    """The mutations that pass their tests, as they come."""
    waiting, running = iter(work), dict[int, Mutation]()
    more = True
    try:
        while more or running:
            while more and len(running) < jobs:
                found = next(waiting, None)
                if found is None:
                    more = False
                else:
                    running[_fork(partial(_mutated, found))] = found.mutation
            time.sleep(INTERVAL)
            for process, mutation in list(running.items()):
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    del running[process]
                    if status == 0:
                        yield mutation
    finally:  # also when the run is interrupted
        for process in running:
            os.killpg(process, signal.SIGKILL)


def passes(paths: Sequence[str], plugins: Sequence[object] = ()) -> bool:
    """Whether all tests of these files and folders pass without a mutation, in a process of their own."""
    _, status = os.waitpid(_fork(lambda: int(pytest.main([*ARGUMENTS, *paths], plugins=plugins))), 0)
    return status == 0


def _fork(run: Callable[[], int]) -> int:
    """The process that ends with the status of this run."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        status = run()
    finally:
        os._exit(status)


def _mutated(run: Run) -> int:
    """Runs the tests against a mutation; 0 when all pass.

    Some before the others: most mutations fail in the first, and collecting all of them takes seconds.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(run.seconds), resource.RLIM_INFINITY))
    sys.meta_path.insert(0, _Mutated(run.mutation))
    for some in (run.tests[:10], run.tests[10:100], run.tests[100:]):
        files = {test.partition("::")[0] for test in some}
        arguments = [*ARGUMENTS, "-o", f"timeout={HANGS}", *sorted(files)]
        status = pytest.main(arguments, plugins=[_Selection(some)]) if some else pytest.ExitCode.OK
        # A mutation may rename the cases of a test.
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return int(status)
    return 0


class _Selection:
    """A plugin of pytest that runs these tests only, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        selected = [item for item in items if item.nodeid in self._places]
        items[:] = sorted(selected, key=lambda item: self._places[item.nodeid])


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, with the mutation's source."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation
        self._path = SOURCES.parent / Path(mutation.path)

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._mutation.module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutation.source, str(self._path), "exec"), module.__dict__)  # noqa: S102
