"""What several proofs ask of the simulated Compute Engine."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def nothing_unforeseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No error is logged while the test runs: what a client can do wrong has an answer of its own."""
    yield
    assert not [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
