"""Ends a child process when its parent ends, even if the parent is killed.

The parent holds the other end of the child's standard input and never writes to it. The kernel closes the pipe when the
parent exits, also after SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable


def exit_when_stdin_closes(end: Callable[[], None]) -> None:
    """Call `end` in the running loop once standard input, a pipe, is closed. Input is read and discarded."""
    loop, stream = asyncio.get_running_loop(), sys.stdin.fileno()

    def readable() -> None:
        if not os.read(stream, 4096):
            loop.remove_reader(stream)
            end()

    loop.add_reader(stream, readable)
