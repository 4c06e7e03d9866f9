"""Unit tests open no sockets and start no processes."""

from __future__ import annotations

import socket
import subprocess

import pytest


@pytest.fixture(autouse=True)
def no_sockets_and_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each attempt fail the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a unit test opened a socket or started a process; move it to another folder of tests")

    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
