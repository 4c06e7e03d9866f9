"""Runs tests against mutations, each in a forked process. Nothing is written to the source tree.

`exchanged` forks a process that has collected the tests, and exchanges the code of the mutated function. `imported`
forks one that has imported only what no mutation changes, and imports the mutated source instead of the file: this
takes ten times as long, but reaches what is computed while modules are imported.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.util
import inspect
import math
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

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
START, MARGIN = 30, 3.0
"""A mutation counts as noticed when the imports take more than START seconds of processor time, or a test more than
MARGIN times its own and 3 s: it may repeat a step without end."""


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
    """A mutation, and the tests that can notice it in their order, each with its seconds of processor time."""

    mutation: Mutation
    tests: Mapping[str, float]


def imported(work: Iterable[Run], *, jobs: int) -> Iterator[Mutation]:
    """The mutations that pass their tests where their modules are imported with them, as they come."""
    return (run.mutation for run, passed in _ran(work, _imported, jobs) if passed)


def exchanged(work: Sequence[Run], folder: str, *, jobs: int) -> Iterator[Run]:
    """The runs whose tests in this folder pass after an exchange of code, as they come, or where none is possible."""
    source, target = os.pipe()
    process = _fork(lambda: int(pytest.main([*ARGUMENTS, folder], plugins=[_Exchange(work, target, jobs)])))
    os.close(target)
    with os.fdopen(source, encoding="ascii") as numbers:
        yield from (work[int(number)] for number in numbers)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(f"the process that had collected the tests of {folder} ended")


def _ran(work: Iterable[Run], run: Callable[[Run], int], jobs: int) -> Iterator[tuple[Run, bool]]:
    """Each run, each in a process of its own, with whether its tests pass; as they end."""
    waiting, running = iter(work), dict[int, Run]()
    try:
        while True:
            for found in islice(waiting, jobs - len(running)):
                running[_fork(partial(run, found))] = found
            if not running:
                return
            process, status = os.wait()
            if process in running:
                yield running.pop(process), status == 0
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


def _imported(run: Run) -> int:
    """Runs the tests against a mutation; 0 when all pass.

    Some before the others: most mutations fail in the first, and collecting all of them takes seconds.
    """
    sys.meta_path.insert(0, _Mutated(run.mutation))
    tests = list(run.tests)
    for some in (tests[:10], tests[10:100], tests[100:]):
        files = {test.partition("::")[0] for test in some}
        _bound(START)
        status = pytest.main([*ARGUMENTS, *sorted(files)], plugins=[_Selection(run.tests, some)]) if some else 0
        # A mutation may rename the cases of a test.
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return int(status)
    return 0


def _bound(seconds: float) -> None:
    """Let this process take this much more processor time."""
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), resource.RLIM_INFINITY))


class _Selection:
    """A plugin of pytest that runs `some` tests only, in this order, each within its processor time."""

    def __init__(self, seconds: Mapping[str, float], some: Iterable[str]) -> None:
        self._seconds = seconds
        self._places = {test: place for place, test in enumerate(some)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        selected = [item for item in items if item.nodeid in self._places]
        items[:] = sorted(selected, key=lambda item: self._places[item.nodeid])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        _bound(3 + MARGIN * self._seconds[item.nodeid])


class _Exchange:
    """A plugin of pytest that, instead of running the tests, forks a process for each run and exchanges the code there.

    Writes the place in `work` of each run whose tests pass to `target`, a line each.
    """

    def __init__(self, work: Sequence[Run], target: int, jobs: int) -> None:
        self._work, self._target, self._jobs = work, target, jobs

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        functions: defaultdict[tuple[str, CodeType], list[FunctionType]] = defaultdict(list)
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(str(SOURCES)):
                functions[each.__code__.co_filename, each.__code__].append(each)
        gc.freeze()
        places = {id(run): place for place, run in enumerate(self._work)}
        with os.fdopen(self._target, "w", encoding="ascii", buffering=1) as numbers:
            for run, passed in _ran(self._work, partial(self._exchanged, session, functions), self._jobs):
                if passed:
                    print(places[id(run)], file=numbers)
        return True

    def _exchanged(
        self, session: pytest.Session, functions: Mapping[tuple[str, CodeType], Sequence[FunctionType]], run: Run
    ) -> int:
        """Runs the tests against a mutation; 0 when all pass."""
        path = str(SOURCES.parent / run.mutation.path)
        before, after = list(_functions(_code(path))), list(_functions(compile(run.mutation.source, path, "exec")))
        changed = [(old, new) for old, new in zip(before, after, strict=False) if old != new]
        if len(before) != len(after) or any(old.co_freevars != new.co_freevars for old, new in changed):
            return 0
        affected = [(function, new) for old, new in changed for function in functions.get((path, old), ())]
        for function, new in affected:
            function.__code__ = new
        selection = _Selection(run.tests, run.tests)
        selection.pytest_collection_modifyitems(session.items)
        session.config.pluginmanager.unregister(self)
        session.config.pluginmanager.register(selection)
        if affected:
            session.config.hook.pytest_runtestloop(session=session)
        return session.testsfailed


def _functions(code: CodeType) -> Iterator[CodeType]:
    """The functions of a module and its classes, without those within functions, in their order."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from [each] if each.co_flags & inspect.CO_OPTIMIZED else _functions(each)


@cache
def _code(path: str) -> CodeType:
    return compile(Path(path).read_text(encoding="utf-8"), path, "exec")


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
