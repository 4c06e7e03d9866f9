"""Rehearsals on a real API server."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.kube.cluster import Cluster
from tests.kube.ranges import RangeFollower

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"
NAMESPACE = "shoot--foo--bar"
SPEED = 60

_STEP = re.compile(r"^ *\S.*?  +([a-z0-9-]+)(?:: .*)?$")
"""A line of the display: the time, two spaces or more, a step and its detail."""


def rehearse(
    cluster: Cluster, *options: str, at: Mapping[str, Callable[[], None]], seconds: float = 900.0
) -> dict[str, Any]:
    """The result of a rehearsal of the example, whose API server restarts with the Shoot's service ranges.

    at: by step, what to do once it begins. Fails if one of the steps never begins.
    """
    command = [sys.executable, "-m", "dualstack", "rehearse", str(EXAMPLE), "--output=json", f"--speed={SPEED}"]
    server = [f"--kubernetes={cluster.url}", f"--kubernetes-kubeconfig={cluster.kubeconfig}"]
    left, lines = dict(at), list[str]()
    with RangeFollower(cluster, NAMESPACE), tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*command, *server, *options], stdout=output, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        limit = threading.Timer(seconds, process.kill)
        limit.start()
        try:
            assert process.stderr is not None
            for line in process.stderr:
                lines.append(line)
                if (step := _STEP.match(line)) and (act := left.pop(step[1], None)):
                    act()
            process.wait()
        finally:
            limit.cancel()
            process.kill()
            process.wait()
        output.seek(0)
        printed = output.read()
    shown = "".join(lines)[-4000:]
    assert printed, shown
    result: dict[str, Any] = msgspec.json.decode(printed)
    assert not left, f"{result['reason']}: these steps have not begun: {', '.join(left)}:\n{shown}"
    return result


def failures(result: dict[str, Any]) -> list[str]:
    """The checks that failed, with their evidence."""
    return [f"{check['id']}: {check['evidence']}" for check in result["checks"] if check["status"] == "failed"]
