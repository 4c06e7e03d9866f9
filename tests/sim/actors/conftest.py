"""The tests of this folder run in virtual time, apart from those with kubectl, which it does not wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """For pytest-asyncio."""
    if item.get_closest_marker("clients"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}
