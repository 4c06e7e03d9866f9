"""Every test: what the simulated Compute Engine answers is held against the published description of the API.

That goes for every process that a test starts, too. What such a process answers between tests is told at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.contract.witness import Witness, install, watched_processes

settings.register_profile("unhurried", deadline=None)  # how long an example takes says more of the machine than of us
settings.load_profile("unhurried")
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)

WITNESS = Witness()
_OPEN = ExitStack()
_FOLDERS: list[Path] = []


def faults() -> list[str]:
    """What was found since the last call."""
    for folder in _FOLDERS:
        WITNESS.read(folder)
    return WITNESS.take()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no":  # the workers watch, each for itself
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
        pytest.exit("\n".join(["answers that no test waited for:", *found]), pytest.ExitCode.TESTS_FAILED)


def pytest_unconfigure() -> None:
    _OPEN.close()


@pytest.fixture
def session_faults() -> Callable[[], list[str]]:
    """What every test is checked with."""
    return faults
