"""Every test: what the simulated Compute Engine answers is held against the published description of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.witness import Witness, install

WITNESS = Witness()


def pytest_configure() -> None:
    install(WITNESS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    yield
    faults = WITNESS.take()
    assert not faults, "\n".join(faults)
