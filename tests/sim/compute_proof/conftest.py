"""A fixture that several proofs of the simulated Compute Engine use."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def nothing_unforeseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No error is logged while the test runs, because every client error has a proper answer."""
    yield
    assert not [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
