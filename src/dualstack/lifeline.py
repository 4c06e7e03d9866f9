"""A child process that ends when its parent does, however the parent ended.

The parent holds the other end of the child's standard input and never writes to it: the kernel closes it even after
SIGKILL, when nobody is left to send a signal.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable


def hold(end: Callable[[], None]) -> None:
    """Call `end` in the running loop once standard input, a pipe, is closed; what is written to it is ignored."""
    loop, stream = asyncio.get_running_loop(), sys.stdin.fileno()

    def readable() -> None:
        if not os.read(stream, 4096):
            loop.remove_reader(stream)
            end()

    loop.add_reader(stream, readable)
