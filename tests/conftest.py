"""For every test: compares the answers of the simulated Compute Engine with the published description of the API.

The processes that a test starts are included. Faults in their answers between tests are reported at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.contract.witness import Witness, install, watched_processes

settings.register_profile("unhurried", deadline=None)  # the time of an example depends on the load of the machine
settings.load_profile("unhurried")
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)

WITNESS = Witness()
_OPEN = ExitStack()
_FOLDERS: list[Path] = []


def faults() -> list[str]:
    """The faults since the last call."""
    for folder in _FOLDERS:
        WITNESS.read(folder)
    return WITNESS.take()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no":  # each worker watches its own tests
        return
    install(WITNESS)
    _FOLDERS.append(_OPEN.enter_context(watched_processes()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    yield
    found = faults()
    assert not found, "\n".join(found)


def pytest_sessionfinish() -> None:
    found = faults()
    if found:
        pytest.exit("\n".join(["faults in answers between tests:", *found]), pytest.ExitCode.TESTS_FAILED)


def pytest_unconfigure() -> None:
    _FOLDERS.clear()  # a process may run several sessions, one after the other
    _OPEN.close()


@pytest.fixture
def session_faults() -> Callable[[], list[str]]:
    """The check that every test ends with."""
    return faults
