"""Rehearsals on a real API server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.kube.cluster import Cluster
from tests.kube.ranges import RangeFollower

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"
NAMESPACE = "shoot--foo--bar"
SPEED = 60


def rehearse(cluster: Cluster, *options: str, seconds: float = 900.0) -> dict[str, Any]:
    """The result of a rehearsal of the example, whose API server restarts with the Shoot's service ranges."""
    command = [sys.executable, "-m", "dualstack", "rehearse", str(EXAMPLE), "--output=json", f"--speed={SPEED}"]
    server = [f"--kubernetes={cluster.url}", f"--kubernetes-kubeconfig={cluster.kubeconfig}"]
    with RangeFollower(cluster, NAMESPACE) as follower:
        ended = subprocess.run([*command, *server, *options], capture_output=True, timeout=seconds, check=False)
    assert ended.stdout, ended.stderr.decode()[-4000:]
    result: dict[str, Any] = msgspec.json.decode(ended.stdout)
    return {**result, "exitStatus": ended.returncode, "restarts": follower.restarts}


def failures(result: dict[str, Any]) -> list[str]:
    """The checks that failed, with their evidence."""
    return [f"{check['id']}: {check['evidence']}" for check in result["checks"] if check["status"] == "failed"]
