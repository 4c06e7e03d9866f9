"""Runs an exec plugin of a kubeconfig for at most so many seconds: `exec_plugin.py SECONDS COMMAND [ARGUMENT ...]`.

lightkube waits for a plugin without end, so this program stands between them. It starts for each token, so it imports
only a little of the standard library.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence


def run(seconds: float, command: Sequence[str]) -> str:
    """Run the plugin, and print its output if it succeeds; otherwise why it did not, as a clause."""
    name, pipe = f"exec plugin {command[0]}", subprocess.PIPE
    try:
        # The user's own kubeconfig names the program.
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        return f"{name}: {error.strerror}"
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"{name} did not end within {seconds:g} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        return f"{name} returned {process.returncode}: {err.decode(errors='replace')}"
    if not _is_credential(out):
        return f"{name} printed no ExecCredential with a token or a client certificate and its key"
    sys.stdout.buffer.write(out)
    return ""


def _is_credential(output: bytes) -> bool:
    """Whether the output is an ExecCredential, and nothing else, with a token that fits into a header, or both parts of
    a client certificate."""
    try:
        status = json.loads(output)["status"]
        token, parts = status.get("token"), [status.get(f"client{part}Data") for part in ("Certificate", "Key")]
        whole = all(parts) and all(part.isascii() for part in parts)
        return bool(token and token.isascii() and token.isprintable()) if token or not any(parts) else whole
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]) or 0)
