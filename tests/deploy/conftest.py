"""The migrations of this folder run in virtual time."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], VirtualLoop]]:
    """For pytest-asyncio."""
    return {"virtual": VirtualLoop}
