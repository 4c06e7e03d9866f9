"""Objects of the control plane as Gardener makes them: only named fields change, and what else is there stays."""

from __future__ import annotations

import base64
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import yaml
from tests.support.changed_paths import changed_paths
from tests.support.manifests import objects_of
from tests.unit.gardener.controllers.migration import Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.model.kinds import INFRASTRUCTURE, MANAGED_RESOURCE
from dualstack.gardener.model.names import MANAGED_RESOURCE_CONTROL_PLANE
from dualstack.kube.apply import apply
from dualstack.kube.interface import Invalid
from dualstack.model import kinds
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Part

ROLES = {"kube-apiserver": "apiserver", "kube-controller-manager": "controller-manager"}
IGNORED = {"generation", "resourceVersion", "managedFields"}


def _as_upstream(name: str, flags: list[str]) -> Manifest:
    """With arguments apart from the command, a sidecar, probes and volumes."""
    labels = {"app": "kubernetes", "role": ROLES[name]}
    image = f"europe-docker.pkg.dev/gardener-project/releases/{name}:v1.33.2@sha256:00"
    container = {
        "name": name,
        "image": image,
        "command": [f"/usr/local/bin/{name}"],
        "args": ["--tls-min-version=VersionTLS12", *flags, "--profiling=false"],
        "livenessProbe": {"httpGet": {"path": "/livez", "port": 443, "scheme": "HTTPS"}, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "250m", "memory": "500Mi"}},
        "volumeMounts": [{"name": "ca", "mountPath": "/srv/kubernetes/ca"}],
    }
    sidecar = {"name": "vpn-client-0", "image": "vpn-client:0.40.0", "env": [{"name": "SERVICE_NETWORK", "value": "x"}]}
    pod = {
        "priorityClassName": "gardener-system-500",
        "nodeSelector": {"worker.gardener.cloud/system-components": "true"},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone"}],
        "containers": [sidecar, container],
        "volumes": [{"name": "ca", "secret": {"secretName": "ca-1a2b3c4d"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": NS,
            "labels": {**labels, "high-availability-config.resources.gardener.cloud/type": "server"},
            "annotations": {"reference.resources.gardener.cloud/secret-1": "ca-1a2b3c4d"},
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {**labels, "networking.gardener.cloud/to-dns": "allowed"}},
                "spec": pod,
            },
        },
    }


def _flags(found: Manifest, name: str) -> list[str]:
    container = next(each for each in found["spec"]["template"]["spec"]["containers"] if each["name"] == name)
    return [word for word in [*container.get("command", ()), *container.get("args", ())] if word.startswith("--")]


def _with_upstreams(migration: Migration) -> None:
    store = migration.world.store
    for name in ROLES:
        found = migration.get(kinds.DEPLOYMENT, name)
        store.delete(kinds.DEPLOYMENT, name, NS)
        store.create(kinds.DEPLOYMENT, _as_upstream(name, _flags(found, name)))
    migration.world._roll_workloads()


async def test_x7_deployments_of_the_control_plane_are_patched_in_named_fields() -> None:
    migration = Migration()
    _with_upstreams(migration)
    before = {name: migration.get(kinds.DEPLOYMENT, name) for name in ROLES}
    migration.trigger()
    await migration.until_rest()
    for name, old in before.items():
        new = migration.get(kinds.DEPLOYMENT, name)
        assert new["metadata"]["uid"] == old["metadata"]["uid"]
        for key in ("metadata", "spec"):
            left, right = ({k: v for k, v in each[key].items() if k not in IGNORED} for each in (old, new))
            allowed = {f"spec.template.spec.containers.{name}.args"}
            assert {f"{key}.{path}" for path in changed_paths(left, right)} <= allowed
        containers = [each["spec"]["template"]["spec"]["containers"] for each in (old, new)]
        assert [each["name"] for each in containers[1]] == ["vpn-client-0", name]
        assert containers[1][0] == containers[0][0]
        assert changed_paths(containers[0][1], containers[1][1]) == {"args"}
        assert {"--tls-min-version=VersionTLS12", "--profiling=false"} <= set(_flags(new, name))
        ranges = [word for word in _flags(new, name) if word.startswith("--service-cluster-ip-range=")]
        assert len(ranges) == 1
        assert ":" in ranges[0]


async def test_x7_the_selector_of_another_deployment_is_never_sent() -> None:
    """The API server answers 422 to another selector, also when the rest of the request is right."""
    migration = Migration()
    _with_upstreams(migration)
    live = migration.get(kinds.DEPLOYMENT, "kube-apiserver")
    wrong = deepcopy(live)
    wrong["spec"]["selector"]["matchLabels"] = {"role": "kube-apiserver"}
    with pytest.raises(Invalid, match="field is immutable"):
        await apply(migration.world.kube, kinds.DEPLOYMENT, Part(live, lambda _: wrong))


def _without_the_flag(container: dict[str, Any]) -> None:
    container["args"] = [word for word in container["args"] if "service-cluster-ip-range" not in word]


def _another_name(container: dict[str, Any]) -> None:
    container["name"] = "main"
    _without_the_flag(container)


@pytest.mark.parametrize("name", [*ROLES])
@pytest.mark.parametrize("change", [_without_the_flag, _another_name])
async def test_x7_a_deployment_that_cannot_be_patched_stops_before_the_routes_go(
    name: str, change: Callable[[dict[str, Any]], None]
) -> None:
    migration = Migration()
    _with_upstreams(migration)
    store = migration.world.store
    found = migration.get(kinds.DEPLOYMENT, name)
    container = found["spec"]["template"]["spec"]["containers"][1]
    if name == "kube-controller-manager":
        container["args"] = [word for word in container["args"] if "cluster-cidr" not in word]
    change(container)
    store.replace(kinds.DEPLOYMENT, found)
    requested = migration.get(INFRASTRUCTURE, "bar")["metadata"]["annotations"]
    migration.trigger()
    await migration.until_rest()
    (error,) = migration.shoot()["status"]["lastErrors"]
    assert f"Deployment {NS}/{name}" in error["description"]
    assert migration.get(INFRASTRUCTURE, "bar")["metadata"]["annotations"] == requested


def _of_csi(name: str) -> list[Manifest]:
    """What provider-gcp has in the same ManagedResource."""
    labels = {"app": "csi", "role": name}
    container = {"name": name, "image": f"{name}:v1.17.4", "args": ["--v=2"]}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    metadata = {"name": name, "namespace": NS}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}},
    ]


CSI = ("csi-driver-controller", "csi-snapshot-controller", "csi-driver-filestore-controller")


async def test_x8_the_other_controllers_of_the_control_plane_stay() -> None:
    migration = Migration()
    store = migration.world.store
    (reference,) = migration.get(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE)["spec"]["secretRefs"]
    added = [item for name in CSI for item in _of_csi(name)]
    text = "---\n".join(yaml.safe_dump(item) for item in added)  # as upstream: many documents in one key
    data = {"csi.yaml": base64.b64encode(text.encode()).decode()}
    store.patch(kinds.SECRET, reference["name"], {"data": data}, NS)
    await migration.world.react()
    before = {(item["kind"], item["metadata"]["name"]): item for item in _live(migration)}
    assert set(before) == {(item["kind"], name) for name in CSI for item in _of_csi(name)}

    migration.trigger()
    await migration.until_rest()
    assert migration.get(kinds.SECRET, reference["name"])["data"]["csi.yaml"] == data["csi.yaml"]
    after = {(item["kind"], item["metadata"]["name"]): item for item in _live(migration)}
    assert {key: item["metadata"]["uid"] for key, item in after.items()} == {
        key: item["metadata"]["uid"] for key, item in before.items()
    }
    names = {item["metadata"]["name"] for item in objects_of(migration.get(kinds.SECRET, reference["name"]))}
    assert {"cloud-controller-manager", "ingress-gce", *CSI} <= names


def _live(migration: Migration) -> list[Manifest]:
    store = migration.world.store
    found = [*store.list(kinds.DEPLOYMENT, NS), *store.list(kinds.CONFIG_MAP, NS)]
    return [item for item in found if item["metadata"]["name"] in CSI]
