"""The guard of this folder (conftest.py) refuses each kind of I/O."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

REFUSED = pytest.raises(AssertionError, match="move it to another folder")


def test_a_connection_is_refused() -> None:
    with REFUSED:
        socket.create_connection(("127.0.0.1", 9))


def test_a_server_is_refused() -> None:
    with REFUSED:
        socket.create_server(("127.0.0.1", 0))


def test_a_process_is_refused() -> None:
    with REFUSED:
        subprocess.run([sys.executable, "-c", ""], check=True)


async def test_asyncio_is_refused_as_well() -> None:
    with REFUSED:
        await asyncio.open_connection("127.0.0.1", 9)
    with REFUSED:
        await asyncio.create_subprocess_exec(sys.executable, "-c", "")
