"""The files of `deploy` on a real API server, with strict validation (docs/install.md#standalone)."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.kube.cluster import Cluster
from tests.kube.replicas import free_port, unready
from tests.kube.upstream import registration
from tests.sim.live.commands import eventually

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MANIFESTS = "deploy/manifests"
EXTENSIONS = "/apis/operator.gardener.cloud/v1alpha1/extensions"
ACCOUNT = "system:serviceaccount:dualstack:dualstack-operator"


def kubectl(cluster: Cluster, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), *arguments]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=120)


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


def test_x6_the_commands_of_the_documentation_apply_each_manifest(cluster: Cluster) -> None:
    """Given a new API server, when each `kubectl create namespace` and `kubectl apply` of a manifest in
    docs/install.md runs word for word, then nothing is refused."""
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    commands = re.findall(r"kubectl ((?:create namespace \S+|apply [^\n`]*deploy/manifests/\S+))", text)
    assert {command.split()[0] for command in commands} == {"create", "apply"}
    assert {"gardener", "standalone"} <= {Path(command).stem for command in commands}
    for command in dict.fromkeys(commands):
        run = kubectl(cluster, *command.split())
        assert (run.returncode, run.stderr) == (0, ""), command


def test_x6_the_registration_is_valid_for_types_of_upstreams_shape(cluster: Cluster) -> None:
    """Given a garden runtime cluster that is a seed too, so that it has two types Extension, when the commands of
    docs/install.md#gardener run word for word, then nothing is refused, and provider-gcp's controller is off."""
    for each in registration():
        assert kubectl(cluster, "create", "--filename", "-", given=yaml.safe_dump(each)).returncode == 0
    assert kubectl(cluster, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s").returncode == 0
    kind = {"apiVersion": "operator.gardener.cloud/v1alpha1", "kind": "Extension"}
    values = {"deployment": {"extension": {"values": {"a": 1}}}}
    status, answer = cluster.request("POST", EXTENSIONS, {**kind, "metadata": {"name": "provider-gcp"}, "spec": values})
    assert status == 201, answer
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    commands = re.findall(r"kubectl ((?:apply|patch) [^\n`]*deploy/gardener/\S+)", text)
    assert len(commands) == 2
    for command in (*commands, "apply --filename deploy/gardener/controller-registration.yaml"):
        run = kubectl(cluster, *command.split())
        assert (run.returncode, run.stderr) == (0, ""), command
    found = cluster.get(f"{EXTENSIONS}/provider-gcp")
    assert found is not None
    assert found["spec"]["deployment"]["extension"]["values"] == {"a": 1, "disableControllers": ["infrastructure"]}
    wrong = (ROOT / "deploy/gardener/controller-registration.yaml").read_text().replace("seedSelector", "seeds")
    refused = kubectl(cluster, "apply", "--filename", "-", given=wrong)
    assert 'unknown field "spec.deployment.seeds"' in refused.stderr


@contextmanager
def operating(cluster: Cluster, folder: Path, *options: str) -> Iterator[Callable[[], str]]:
    """An operator with the user of the manifest's ServiceAccount; yields what `/readyz` answers, "" for good."""
    installed(cluster)
    token = kubectl(cluster, "create", "token", "dualstack-operator", "--namespace", "dualstack").stdout.strip()
    port = free_port()
    log = folder / "operator.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dualstack", "operator", "--landscape", "standalone", *options),
                *("--kubeconfig", str(cluster.write_kubeconfig("operator", token)), "--lease-namespace", "dualstack"),
                *("--health-port", str(port), "--compute-endpoint", "http://127.0.0.1:9"),
            ],
            stdout=stream,
            stderr=stream,
        )

    def reason() -> str:
        assert process.poll() is None, log.read_text()
        return unready(port)

    try:
        eventually(lambda: not reason(), 120.0)
        yield reason
    finally:
        process.terminate()
        process.wait(30)


def test_x6_the_operator_becomes_ready_with_the_role_of_the_manifest_alone(cluster: Cluster, tmp_path: Path) -> None:
    """Given the user of the manifest's ServiceAccount, when the operator starts, then it is ready: it holds its Lease,
    and lists every kind and every trace of Gardener. It may not read what its role does not name."""
    lease = ("get", "lease", "dualstack-operator", "--namespace", "dualstack")
    with operating(cluster, tmp_path, "--leader-elect"):
        # It is ready, as one that stands by, as soon as it has read that there is no Lease.
        eventually(lambda: kubectl(cluster, *lease).returncode == 0, 120.0)
    for verb, resource in (("list", "secrets"), ("delete", "shoots"), ("create", "clusterroles"), ("patch", "nodes")):
        assert kubectl(cluster, "auth", "can-i", verb, resource, "--as", ACCOUNT, "--all-namespaces").returncode == 1


def test_p12_a_kube_apiserver_that_hangs_makes_the_operator_not_ready(cluster: Cluster, tmp_path: Path) -> None:
    """Given a ready operator without a Lease, when kube-apiserver is stopped, so that all watches stay open, then the
    operator is not ready within a minute and names the server; once it continues, the operator is ready again."""
    with operating(cluster, tmp_path) as reason:
        cluster.api.send(signal.SIGSTOP)
        try:
            given = eventually(reason, 60.0)
        finally:
            cluster.api.send(signal.SIGCONT)
        assert given == f"{cluster.url} has not answered within 10 s"
        eventually(lambda: not reason(), 120.0)
