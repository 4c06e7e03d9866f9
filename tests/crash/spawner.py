"""Starts operators within milliseconds: a process that has imported the product, and forks.

Prints its own process ID when it is ready. Reads commands from standard input, one JSON object a line, and answers each
with one line: `{"start": [arguments], "log": path}` with the process ID, `{"poll": pid}` with the exit status or -1
while it runs, `{"kill": pid}` with the wait status once SIGKILL has taken effect. Each process runs the command line as
a user would; only the imports are shared.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

PRELOADED = (
    "dualstack.operator.process",
    "dualstack.cli.live.prepare",
    "dualstack.cli.live.finish",
    "google.oauth2.service_account",
    "google.auth.exceptions",
    "aiohttp",
)


def main() -> None:
    """Serve until standard input ends, then kill the operators that still run."""
    for module in PRELOADED:
        __import__(module)
    _say(os.getpid())
    running: set[int] = set()
    for line in sys.stdin:
        command = json.loads(line)
        if "start" in command:
            pid = os.fork()
            if pid == 0:
                _become_operator(command["start"], Path(command["log"]))
            running.add(pid)
            _say(pid)
        elif "poll" in command:
            ended, status = os.waitpid(command["poll"], os.WNOHANG)
            running.discard(ended)
            _say(os.waitstatus_to_exitcode(status) if ended else -1)
        else:
            running.discard(command["kill"])
            _say(_kill(command["kill"]))
    for pid in running:
        _kill(pid)


def _become_operator(arguments: list[str], log: Path) -> None:
    """In the child: the command line's own entry point, with its own streams and session. Does not return."""
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for source, number in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(source, number)
        sys.argv = ["dualstack", *arguments]
        from dualstack.cli.main import main as command_line

        command_line()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def _kill(pid: int) -> int:
    """SIGKILL, and the process's wait status."""
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _say(answer: int) -> None:
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
