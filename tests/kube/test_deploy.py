"""The files of `deploy` on a real API server, with strict validation (docs/install.md#standalone)."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kube.cluster import Cluster

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MANIFESTS = "deploy/manifests"
ACCOUNT = "system:serviceaccount:dualstack:dualstack-operator"


def kubectl(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def installed(cluster: Cluster) -> None:
    """Follow docs/install.md where there is no Gardener."""
    for arguments in (
        ("create", "--filename", "deploy/crds"),
        ("create", "namespace", "dualstack"),
        ("apply", "--validate=strict", "--filename", f"{MANIFESTS}/standalone.yaml"),
    ):
        run = kubectl(cluster, *arguments)
        assert (run.returncode, run.stderr) == (0, "")


def test_x6_the_manifests_and_definitions_apply_cleanly(cluster: Cluster) -> None:
    installed(cluster)
    for name in ("gardener", "gardener-shoot"):
        run = kubectl(
            cluster, "apply", "--dry-run=server", "--validate=strict", "--filename", f"{MANIFESTS}/{name}.yaml"
        )
        assert (run.returncode, run.stderr) == (0, ""), name
    kubectl(cluster, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    columns = "custom-columns=:.status.conditions[*].type"
    conditions = kubectl(cluster, "get", "crd", "--output", columns, "--no-headers").stdout.split()
    assert set(conditions) == {"NamesAccepted,Established"}, "NonStructuralSchema is a fault"
    again = kubectl(cluster, "create", "--filename", "deploy/crds")
    assert again.stderr.count("AlreadyExists") == len(conditions)


def test_x6_the_operator_becomes_ready_with_the_role_of_the_manifest_alone(cluster: Cluster, tmp_path: Path) -> None:
    """Given the user of the manifest's ServiceAccount, when the operator starts, then it is ready: it holds its Lease,
    and lists every kind and every trace of Gardener. It may not read what its role does not name."""
    installed(cluster)
    token = kubectl(cluster, "create", "token", "dualstack-operator", "--namespace", "dualstack").stdout.strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "operator.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dualstack", "operator", "--landscape", "standalone", "--leader-elect"),
                *("--kubeconfig", str(cluster.write_kubeconfig("operator", token)), "--lease-namespace", "dualstack"),
                *("--health-port", str(port), "--compute-endpoint", "http://127.0.0.1:9"),
            ],
            stdout=stream,
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + 120.0
        while not _ready(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
    finally:
        process.terminate()
        process.wait(30)
    holder = kubectl(cluster, "get", "lease", "dualstack-operator", "--namespace", "dualstack")
    assert holder.returncode == 0, holder.stderr
    for verb, resource in (("list", "secrets"), ("delete", "shoots"), ("create", "clusterroles"), ("patch", "nodes")):
        assert kubectl(cluster, "auth", "can-i", verb, resource, "--as", ACCOUNT, "--all-namespaces").returncode == 1


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
