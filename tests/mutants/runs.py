"""Runs tests against mutations: each in a forked process that imports the mutated source instead of the file.

Nothing is written to the source tree. The parent has imported whatever the tests need and no mutation changes, so that
a run begins within half a second.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.mutations import SOURCES, Mutation

PRELOADED = (
    *("aiohttp", "google.auth", "hypothesis.stateful", "lightkube", "pytest_asyncio", "tests.contract.witness"),
    *("dualstack.gce.client", "dualstack.kube.client", "dualstack_sim.world.gardener.builder"),
    *("dualstack_sim.compute.api.server", "dualstack_sim.kube.server", "dualstack_sim.fabric"),
)
ARGUMENTS = ("-q", "-x", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "-m", "not slow and not clients")
INTERVAL = 0.05
"""Seconds between two checks of the processes that run."""


def preload(mutated: Iterable[str]) -> None:
    """Import what every run needs. Raises RuntimeError when that includes a package of `mutated`."""
    for name in PRELOADED:
        importlib.import_module(name)
    early = [name for name in sys.modules if name.startswith(tuple(f"dualstack.{package}." for package in mutated))]
    if early:
        raise RuntimeError(f"{early[0]} is imported before it can be mutated")


def survivors(work: Iterable[tuple[Mutation, Sequence[str]]], *, jobs: int, seconds: float) -> Iterator[Mutation]:
    """The mutations that pass their tests, as they come. A run that takes longer than `seconds` counts as failed."""
    waiting, running = iter(work), dict[int, tuple[Mutation, float]]()
    more = True
    try:
        while more or running:
            while more and len(running) < jobs:
                found = next(waiting, None)
                if found is None:
                    more = False
                else:
                    running[_fork(*found)] = (found[0], time.monotonic() + seconds)
            time.sleep(INTERVAL)
            for process, (mutation, deadline) in list(running.items()):
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    del running[process]
                    if status == 0:
                        yield mutation
                elif time.monotonic() > deadline:
                    os.killpg(process, signal.SIGKILL)
    finally:  # also when the run is interrupted
        for process in running:
            os.killpg(process, signal.SIGKILL)


def passes(tests: Sequence[str]) -> float | None:
    """Seconds that the tests take without a mutation; None when they fail."""
    began = time.monotonic()
    _, status = os.waitpid(_fork(None, tests), 0)
    return time.monotonic() - began if status == 0 else None


def _fork(mutation: Mutation | None, tests: Sequence[str]) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        if mutation is not None:
            sys.meta_path.insert(0, _Mutated(mutation))
        # One after the other: most mutations fail in the first, and collection takes seconds.
        status = next((status for folder in tests if (status := int(pytest.main([*ARGUMENTS, folder])))), 0)
    finally:
        os._exit(status)


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
