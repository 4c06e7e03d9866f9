"""What a migration cannot change in place is refused by name, before anything changes (docs/preflight.md#objects)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.support.store_kube import StoreKube
from tests.unit.gardener.controllers.migration import EXAMPLE, Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.gardener.preflight.objects import require_known_shapes
from dualstack.gardener.render import managed_resource
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.kube.interface import Invalid, Unavailable
from dualstack.model import kinds
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.store import KubeStore

Break = Callable[[Migration], None]


def _edit_managed(migration: Migration, name: str, kind: str, change: Callable[[Manifest], Any]) -> None:
    """Change the manifests of one kind in a ManagedResource's Secret."""
    secret = migration.get(kinds.SECRET, name)
    objects = [yaml.safe_load(base64.b64decode(value)) for value in secret["data"].values()]
    for item in objects:
        if item["kind"] == kind:
            change(item)
    data = {**dict.fromkeys(secret["data"]), **managed_resource.secret(name, NS, objects)["data"]}
    migration.world.store.patch(kinds.SECRET, name, {"data": data}, NS)


def _patched(kind: Kind, name: str, change: Callable[[Manifest], Any]) -> Break:
    def apply(migration: Migration) -> None:
        found = migration.get(kind, name)
        change(found)
        migration.world.store.replace(kind, found)

    return apply


def _managed(name: str, kind: str, change: Callable[[Manifest], Any]) -> Break:
    return lambda migration: _edit_managed(migration, name, kind, change)


def _containers(item: Manifest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = item["spec"]["template"]["spec"]["containers"]
    return found


def _in_a_shell(item: Manifest) -> None:
    words = " ".join(_containers(item)[0]["command"])
    _containers(item)[0]["command"] = ["/bin/sh", "-c", words]


def _proxy_mode(item: Manifest) -> None:
    item["data"]["config.yaml"] = item["data"]["config.yaml"].replace("mode: iptables", "mode: userspace")


def _cidr_twice(item: Manifest) -> None:
    item["data"]["config.yaml"] += "clusterCIDR: 10.0.0.0/8\n"


def _immutable_in_cluster(migration: Migration) -> None:
    migration.world.store.patch(kinds.CONFIG_MAP, "calico-config", {"immutable": True}, "kube-system")


def _kubelet(change: Callable[[Manifest], Any]) -> Break:
    def changed(item: Manifest) -> None:
        change(item["spec"]["files"][0]["content"]["inline"])

    return _patched(gardener_kinds.OPERATING_SYSTEM_CONFIG, "gardener-node-agent-w1", changed)


def _vxlan(item: Manifest) -> None:
    item["spec"]["vxlanMode"] = "Always"


def _patched_class(change: Callable[[Manifest], Any]) -> Break:
    def apply(migration: Migration) -> None:
        (found,) = migration.world.store.list(gardener_kinds.MACHINE_CLASS, NS)
        change(found)
        migration.world.store.replace(gardener_kinds.MACHINE_CLASS, found)

    return apply


def _paused(migration: Migration) -> None:
    (found,) = migration.world.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS)
    change = {"spec": {"paused": True}}
    migration.world.store.patch(gardener_kinds.MACHINE_DEPLOYMENT, found["metadata"]["name"], change, NS)


def _virtual_node(migration: Migration, **spec: Any) -> None:
    labels = {"type": "virtual-kubelet"}
    migration.world.store.create(kinds.NODE, {"metadata": {"name": "virtual", "labels": labels}, "spec": spec})


def _pool_node_without_machine(migration: Migration) -> None:
    labels = {"worker.gardener.cloud/pool": "w1"}
    spec = {"podCIDR": "100.96.200.0/24", "podCIDRs": ["100.96.200.0/24"]}
    migration.world.store.create(kinds.NODE, {"metadata": {"name": f"{NS}-w1-z1-left", "labels": labels}, "spec": spec})


def _compressed(migration: Migration) -> None:
    migration.world.store.patch(
        kinds.SECRET,
        "shoot-core-coredns",
        {
            "data": {
                "data.yaml.br": "CwKAaGkD",
                **dict.fromkeys(migration.get(kinds.SECRET, "shoot-core-coredns")["data"]),
            }
        },
        NS,
    )


CASES: dict[str, tuple[Break, str]] = {
    "kube-apiserver in a shell": (
        _patched(kinds.DEPLOYMENT, "kube-apiserver", _in_a_shell),
        f"Deployment {NS}/kube-apiserver: container kube-apiserver has no flag --service-cluster-ip-range",
    ),
    "kube-proxy in an unknown mode": (
        _managed("shoot-core-kube-proxy", "ConfigMap", _proxy_mode),
        "ConfigMap kube-system/kube-proxy-config: kube-proxy runs in mode 'userspace'",
    ),
    "calico with VXLAN": (
        _managed("extension-networking-calico-config", "IPPool", _vxlan),
        "IPPool default-ipv4-ippool: spec.vxlanMode is Always",
    ),
    "calico with eBPF": (
        _managed(
            "extension-networking-calico-config",
            "DaemonSet",
            lambda item: _containers(item)[0]["env"].append({"name": "FELIX_BPFENABLED", "value": "true"}),
        ),
        "DaemonSet kube-system/calico-node: FELIX_BPFENABLED is true",
    ),
    "calico's own IPAM": (
        _managed(
            "extension-networking-calico-config",
            "ConfigMap",
            lambda item: item["data"].update(
                cni_network_config=item["data"]["cni_network_config"].replace("host-local", "calico-ipam")
            ),
        ),
        "the ipam plugin is calico-ipam",
    ),
    "a ManagedResource that is ignored": (
        _patched(
            gardener_kinds.MANAGED_RESOURCE,
            "shoot-core-coredns",
            lambda item: item["metadata"].update(annotations={"resources.gardener.cloud/ignore": "true"}),
        ),
        f"ManagedResource {NS}/shoot-core-coredns: annotation resources.gardener.cloud/ignore is true",
    ),
    "an immutable ConfigMap in a ManagedResource": (
        _managed("shoot-core-kube-proxy", "ConfigMap", lambda item: item.update(immutable=True)),
        "ConfigMap kube-system/kube-proxy-config: it is immutable",
    ),
    "an immutable ConfigMap in the cluster": (
        _immutable_in_cluster,
        "ConfigMap kube-system/calico-config: it is immutable",
    ),
    "a kubelet configuration without content": (
        _kubelet(lambda inline: inline.pop("data")),
        f"OperatingSystemConfig {NS}/gardener-node-agent-w1: the content of /var/lib/kubelet/config/kubelet is not inl",
    ),
    "a kubelet configuration with an anchor": (
        _kubelet(lambda inline: inline.update(data="clusterDNS: &dns [100.64.0.10]\nother: *dns\n")),
        '"clusterDNS" cannot be changed alone',
    ),
    "a kubelet with one address as a text": (
        _kubelet(lambda inline: inline.update(data="clusterDNS: 100.64.0.10\n")),
        "clusterDNS in /var/lib/kubelet/config/kubelet is no list of addresses",
    ),
    "kube-proxy's CIDR set twice": (
        _managed("shoot-core-kube-proxy", "ConfigMap", _cidr_twice),
        'ConfigMap kube-system/kube-proxy-config: config.yaml cannot be changed: "clusterCIDR" is set 2 times',
    ),
    "no kubelet configuration": (
        _patched(
            gardener_kinds.OPERATING_SYSTEM_CONFIG,
            "gardener-node-agent-w1",
            lambda item: item["spec"]["files"][0].update(path="/etc/other"),
        ),
        f"OperatingSystemConfig {NS}/gardener-node-agent-w1: spec.files has no /var/lib/kubelet/config/kubelet",
    ),
    "a cloud-controller-manager under another name": (
        _managed("extension-controlplane-seed", "Deployment", lambda item: item["metadata"].update(name="ccm")),
        f"ManagedResource {NS}/extension-controlplane-seed: it has no Deployment {NS}/cloud-controller-manager",
    ),
    "a number for the spec of a DaemonSet": (
        _managed("extension-networking-calico-config", "DaemonSet", lambda item: item.update(spec=7)),
        "DaemonSet kube-system/calico-node: spec is a number where a mapping is expected",
    ),
    "a list for the template of a Deployment": (
        _managed("shoot-core-coredns", "Deployment", lambda item: item["spec"].update(template=[])),
        "Deployment kube-system/coredns: spec.template is a list where a mapping is expected",
    ),
    "a list for the data of a ConfigMap": (
        _managed("shoot-core-kube-proxy", "ConfigMap", lambda item: item.update(data=[])),
        "ConfigMap kube-system/kube-proxy-config: data is a list where a mapping is expected",
    ),
    "a text for the specification of a machine class": (
        _patched_class(lambda item: item.update(providerSpec="x")),
        "providerSpec is a text where a mapping is expected",
    ),
    "a machine class without an interface": (
        _patched_class(lambda item: item["providerSpec"].update(networkInterfaces=[])),
        "providerSpec.networkInterfaces has no entry",
    ),
    "a paused machine deployment": (
        _paused,
        f"MachineDeployment {NS}/{NS}-w1-z1: spec.paused is true",
    ),
    "a virtual node": (
        _virtual_node,
        "Node virtual belongs to no worker pool, so that no roll-out replaces it; remove the Node",
    ),
    "a virtual node with a pod CIDR": (
        lambda migration: _virtual_node(migration, podCIDR="100.96.200.0/24", podCIDRs=["100.96.200.0/24"]),
        "Node virtual belongs to no worker pool",
    ),
    "a node of a pool without its Machine": (
        _pool_node_without_machine,
        f"Node {NS}-w1-z1-left has no Machine of its name, so that no roll-out replaces it; remove the Node",
    ),
    "compressed manifests": (_compressed, "the compressed manifests in data.yaml.br are not read"),
}


@pytest.mark.parametrize(("break_it", "words"), CASES.values(), ids=CASES)
async def test_p04_p05_what_cannot_be_changed_or_replaced_is_refused_by_name_before_anything_changes(
    break_it: Break, words: str
) -> None:
    migration = Migration()
    break_it(migration)
    migration.trigger()
    migration.world.kube.writes.clear()

    await migration.until_rest()

    status = migration.shoot()["status"]
    assert status["lastOperation"]["state"] == "Failed"
    assert words in status["lastErrors"][0]["description"]
    assert status["lastErrors"][0]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    assert not status.get("constraints")
    written = {kind for _, kind, _ in migration.world.kube.writes}
    assert written <= {"Shoot", "Cluster", "Event"}, "the Shoot, its copy, and the news of the refusal"


async def test_p05_all_unknown_shapes_are_reported_together() -> None:
    migration = Migration()
    for name in ("kube-apiserver in a shell", "calico with VXLAN", "no kubelet configuration"):
        CASES[name][0](migration)
    migration.trigger()

    await migration.until_rest()

    text = migration.shoot()["status"]["lastErrors"][0]["description"]
    assert all(CASES[name][1] in text for name in ("kube-apiserver in a shell", "calico with VXLAN"))


class _Failing(StoreKube):
    """Answers reads of MachineClasses with an error."""

    def __init__(self, store: KubeStore, error: KubeError) -> None:
        super().__init__(store)
        self._error = error

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        if kind == gardener_kinds.MACHINE_CLASS:
            raise self._error
        return await super().list(kind, namespace, labels=labels)


async def test_p05_an_object_that_may_not_be_read_is_refused_and_a_silent_server_is_not() -> None:
    migration = Migration()
    view = ShootView.of(migration.shoot())
    with pytest.raises(InvalidInput, match="cannot be read: machineclasses is forbidden"):
        await require_known_shapes(
            _Failing(migration.world.store, Invalid("machineclasses is forbidden")), migration.world.kube, view
        )
    with pytest.raises(Unavailable):
        await require_known_shapes(
            _Failing(migration.world.store, Unavailable("no answer")), migration.world.kube, view
        )
    await require_known_shapes(migration.world.kube, migration.world.kube, view)


async def test_p05_an_ipv4_cluster_of_unknown_shape_is_reconciled_and_left_as_it_is() -> None:
    migration = Migration()
    CASES["kube-proxy in an unknown mode"][0](migration)
    before = migration.get(kinds.SECRET, "shoot-core-kube-proxy")["data"]
    request = {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", request, "garden-foo")

    await migration.until_rest()

    assert migration.shoot()["status"]["lastOperation"]["state"] == "Succeeded"
    assert migration.get(kinds.SECRET, "shoot-core-kube-proxy")["data"] == before


@pytest.mark.parametrize("mode", ["IPTables", "IPVS", "NFTables"])
def test_p05_every_mode_of_kube_proxy_that_gardener_has_can_be_migrated(mode: str) -> None:
    shoot = load_shoot(EXAMPLE.read_text())
    shoot["spec"]["kubernetes"]["kubeProxy"] = {"enabled": True, "mode": mode}
    assert validate_shoot(shoot) == ()


def test_p05_an_unknown_mode_of_the_shoot_is_refused_by_name() -> None:
    shoot = load_shoot(EXAMPLE.read_text())
    shoot["spec"]["kubernetes"]["kubeProxy"] = {"mode": "Userspace"}
    shoot["spec"]["networking"]["providerConfig"]["ebpfDataplane"] = {"enabled": True}
    text = "\n".join(map(str, validate_shoot(shoot)))
    assert 'spec.kubernetes.kubeProxy.mode: Unsupported value: "Userspace"' in text
    assert "spec.networking.providerConfig.ebpfDataplane.enabled: Invalid value: true" in text
