"""Output that never stops or freezes the work: a full disk, a closed reader and a reader that does not read.

Each stream has a thread that writes to its file descriptor. Callers only append to a bounded buffer.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

MOST = 4 << 20
"""Bytes that wait for a slow reader; what comes after them is lost."""

FLUSH_SECONDS = 1.0
"""Wall seconds for which the end of the process waits for a slow reader."""

_STANDARD = (0, 1, 2)


class BackgroundWriter:
    """Writes lines to a file descriptor in their order. A line that cannot be written is counted as lost.

    After a lost part of a line, the next line starts on a line of its own, so that a reader can tell the lines apart.
    `changed` is called in the thread with the error when writing begins to fail, and with None when it works again.
    """

    def __init__(self, descriptor: int, changed: Callable[[OSError | None], None] | None = None) -> None:
        self._descriptor = descriptor
        self._changed = changed or (lambda error: None)
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._busy = False
        self._failing = False
        self._torn = False
        self._more = threading.Condition()
        self.lost = 0
        """Lines that were not written."""
        threading.Thread(target=self._run, name=f"output-{descriptor}", daemon=True).start()
        atexit.register(self.flush)

    def write(self, line: bytes) -> None:
        """Add the line; returns at once and never raises."""
        with self._more:
            if self._size + len(line) > MOST:
                self.lost += 1
                return
            self._lines.append(line)
            self._size += len(line)
            self._more.notify_all()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until everything is written or lost, for at most `seconds` of wall time; returns whether it is."""
        deadline = time.monotonic() + seconds
        with self._more:
            return self._more.wait_for(lambda: not self._lines and not self._busy, deadline - time.monotonic())

    def _run(self) -> None:
        while True:
            with self._more:
                self._busy = False
                self._more.notify_all()
                self._more.wait_for(lambda: self._lines)
                self._busy = True
                line = self._lines.popleft()
                self._size -= len(line)
            self._put(line)

    def _put(self, line: bytes) -> None:
        data, written = (b"\n" + line if self._torn else line), 0
        try:
            while written < len(data):
                try:
                    written += os.write(self._descriptor, data[written:])
                except BlockingIOError:  # another process has made the shared descriptor non-blocking
                    select.select([], [self._descriptor], [])
                if written:
                    self._torn = written < len(data)
        except OSError as error:
            self.lost += 1
            if not self._failing:
                self._failing = True
                self._changed(error)
        else:
            if self._failing:
                self._failing = False
                self._changed(None)


_WRITERS: list[BackgroundWriter] = []
"""Those behind text streams, which are flushed before standard output is written."""


class _Unfailing(io.BufferedIOBase):
    """A binary stream on a `BackgroundWriter`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._writer = BackgroundWriter(descriptor)
        _WRITERS.append(self._writer)

    @property
    def name(self) -> int:
        return self._descriptor

    def write(self, data: Any, /) -> int:
        line = bytes(data)
        self._writer.write(line)
        return len(line)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor


def unfailing_text(descriptor: int) -> TextIO:
    """A text stream for the descriptor: writing and flushing never block and never raise."""
    return io.TextIOWrapper(_Unfailing(descriptor), encoding="utf-8", errors="backslashreplace", write_through=True)


class OutputLost(Exception):
    """A result cannot be written; the message names where to, and the reason."""


def write_result(path: Path, content: bytes) -> None:
    """Write a result to a file; one that exists is replaced only by a whole one. Raises OutputLost."""
    new = path.with_name(f".{path.name}.new")
    try:
        if path.exists() and not path.is_file():  # a pipe or a device
            path.write_bytes(content)
            return
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise OutputLost(f"{path} cannot be written: {error.strerror}") from error


def print_out(text: str) -> None:
    """Print on standard output, after standard error, waiting for its reader. Raises OutputLost."""
    for writer in _WRITERS:
        writer.flush()
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        raise output_lost(error) from error


def output_lost(error: OSError | ValueError) -> OutputLost:
    """The error for a failed write to standard output, which is discarded from now on, so that the end of the
    interpreter does not fail too."""
    discard = os.open(os.devnull, os.O_WRONLY)
    os.dup2(discard, 1)
    os.close(discard)
    return OutputLost(f"standard output cannot be written: {getattr(error, 'strerror', None) or error}")


def protect() -> None:
    """Make standard error safe, and open what is closed of the three standard descriptors on /dev/null.

    Otherwise the next socket would get a closed descriptor's number, and what a library prints would go into it.
    """
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = unfailing_text(2)
