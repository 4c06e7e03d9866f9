"""The very cluster of a snapshot: its network, VMs, routes, ranges and quotas, and its Nodes.

Its control plane and its workloads are simulated: cloud-controller-manager, kube-controller-manager, kube-proxy, DNS,
the CNI, and the end points of the observed traffic. A Node that has lost its VM, or a VM without Node, stays so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from dualstack.clock import Clock
from dualstack.model.kinds import CONFIG_MAP, CRD, DAEMON_SET, NAMESPACE, NODE, POD, SERVICE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import KUBE_SYSTEM, parse_provider_id
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.guests import TaggedGuests
from dualstack_sim.actors.hosts import Registration, Vm
from dualstack_sim.actors.kube_controller_manager import KubeControllerManager
from dualstack_sim.actors.network_problem_detector import CONDITION, NetworkProblemDetector
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.quotas import LIMITS, Limits
from dualstack_sim.compute.project.real_inventory import import_inventory
from dualstack_sim.kube.interface import ObjectStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.control_answers import ControlPart
from dualstack_sim.world.definitions import cni_definitions
from dualstack_sim.world.gardener.knobs import Garden
from dualstack_sim.world.kubeadm.addons import END_POINT, addons, kube_proxy, masquerading
from dualstack_sim.world.kubeadm.cluster import CONTROL_PLANE_ROLE, VmCluster
from dualstack_sim.world.kubeadm.control_plane import ROUTES, cloud_controller_manager, static_pods
from dualstack_sim.world.kubeadm.distribution import KUBEADM, UNKNOWN
from dualstack_sim.world.kubeadm.static_pods import StaticPodKubelet
from dualstack_sim.world.snapshot.description import Description

_AGE = 3600.0
"""The age in seconds of time stamps in statuses."""
_TAG = "snapshot-node"
"""The network tag that the VMs of Nodes get in addition: a VM with it has a kubelet."""
_CATALOGUES = ("regions", "zones", "machineTypes")
"""What the simulated cloud has its own of."""
_METADATA = ("name", "namespace", "labels", "annotations")
_KEPT_MAPS = ("shoot-info", "kubeadm-config")


class Guests(TaggedGuests):
    """As they were in the snapshot: a Node without a running VM, or the reverse, does not keep the world from rest."""

    def settled(self, vms: Mapping[str, Vm]) -> bool:
        names = {node["metadata"]["name"] for node in self._nodes.all()}
        return all(name in names for name, vm in vms.items() if vm.running)


class SnapshotPlatform:
    """Implements `dualstack_sim.world.platforms.Platform`."""

    namespace = KUBE_SYSTEM
    api_servers = ("shoot",)
    control_plane_host = None
    api_server = "component=kube-apiserver"
    workloads: Sequence[Kind] = ()

    def __init__(self, description: Mapping[str, Any], garden: Garden) -> None:
        self._given = Description.of(description)
        self._garden = garden
        self._shoot = self._given.shoot()
        self.regions = _regions(self._given)
        self.node_count = len(self._given.nodes)
        self.quotas = _limits(self._given)
        self.left_out: Sequence[str] = ()
        self._cluster = VmCluster(self._shoot, KUBEADM.names(self._shoot), self._given.nodes_range)
        self._static = static_pods(self._cluster, self._given.nodes[0]["metadata"]["name"], KUBEADM.component_label)
        # Gardener configures the guest agent of its nodes (docs/reference/compute-engine.md#guest-agent-gardener).
        self.guest_agent = not any(each["metadata"]["name"] == "shoot-info" for each in self._config_maps())

    def build(self, servers: ApiServers, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> None:
        store = servers.shoot
        given, now = self._given, clock.now() - _AGE
        cluster = self._cluster
        imported = import_inventory(compute.project, _tagged(given))
        compute.load(imported.state)
        self.left_out = imported.left_out
        for definition in cni_definitions():
            store.create(CRD, definition)
        for kind, found in ((NODE, given.nodes), (CONFIG_MAP, self._config_maps()), (SERVICE, self._services())):
            for item in found:
                self._place(store, kind, item)
        first = store.get(NODE, given.nodes[0]["metadata"]["name"]) or {}
        control_plane = [(POD, self._static.mirror_pod(program, first, now)) for program in self._static.flags]
        others = (*kube_proxy(cluster), *masquerading(cluster), *addons(cluster, len(given.nodes)))
        for kind, item in (*control_plane, *self._cloud_controller_manager(), *others):
            store.upsert(kind, item)

    def _place(self, store: ObjectStore, kind: Kind, item: Manifest) -> None:
        metadata = {name: item["metadata"][name] for name in _METADATA if item["metadata"].get(name)}
        namespace = metadata.get("namespace")
        if namespace and store.get(NAMESPACE, namespace) is None:
            store.create(NAMESPACE, manifest(NAMESPACE, namespace))
        store.upsert(kind, {**item, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})

    def _config_maps(self) -> list[Manifest]:
        found = self._given.objects.get("v1/ConfigMap", ())
        return [each for each in found if each["metadata"]["name"] in _KEPT_MAPS]

    def _services(self) -> list[Manifest]:
        """The user's Services; those that the simulated parts bring are left to them."""
        found = self._given.objects.get("v1/Service", ())
        return [each for each in found if each["metadata"].get("namespace") not in (KUBE_SYSTEM, "default")]

    def _cloud_controller_manager(self) -> list[tuple[Kind, Manifest]]:
        """On a node of the control plane if there is one, else on the first node."""
        roles = [CONTROL_PLANE_ROLE in (node["metadata"].get("labels") or {}) for node in self._given.nodes]
        objects = deepcopy(cloud_controller_manager(self._cluster, self._given.project, ROUTES))
        if not any(roles):
            host = self._given.nodes[0]["metadata"]["name"]
            for kind, item in objects:
                if kind == DAEMON_SET:
                    item["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": host}
        return objects

    @property
    def controls(self) -> Sequence[ControlPart]:
        return (self._static,)

    def access(self, server: str, token: str | None, authority: bytes | None) -> Sequence[Manifest]:
        return ()

    def guests(self, context: ActorContext) -> Guests:
        known = {}
        for node in self._given.nodes:
            metadata = node["metadata"]
            known[metadata["name"]] = Registration(
                metadata.get("labels") or {}, metadata.get("annotations") or {}, node["spec"].get("taints") or ()
            )
        return Guests(context, [_TAG], END_POINT, lambda name: known.get(name, UNKNOWN))

    def actors(self, context: ActorContext) -> list[Actor]:
        found: list[Actor] = [
            CloudControllerManager(context),
            KubeControllerManager(context),
            StaticPodKubelet(context, self._static),
        ]
        conditions = {each["type"] for node in self._given.nodes for each in node["status"].get("conditions") or ()}
        return [*found, NetworkProblemDetector(context)] if CONDITION in conditions else found


def _regions(given: Description) -> dict[str, list[str]]:
    """The zones of everything in the snapshot, by region."""
    zones: dict[str, set[str]] = {given.region: set()}
    for found in given.resources.values():
        for resource in found:
            parts = str(resource.get("selfLink") or "").split("/")
            if "zones" in parts:
                zone = parts[parts.index("zones") + 1]
                zones.setdefault(zone.rpartition("-")[0], set()).add(zone)
    return {region: sorted(found) or [f"{region}-b"] for region, found in sorted(zones.items())}


def _tagged(given: Description) -> dict[str, list[dict[str, Any]]]:
    """The resources, with one more network tag on the VMs of Nodes."""
    vms = {
        (vm.zone, vm.name) for node in given.nodes if (vm := parse_provider_id(node["spec"].get("providerID") or ""))
    }
    rows = {collection: list(found) for collection, found in given.resources.items() if collection not in _CATALOGUES}
    instances = []
    for instance in rows.get("instances", ()):
        zone = str(instance.get("zone") or instance["selfLink"].split("/zones/")[1].split("/")[0]).rpartition("/")[2]
        if (zone, instance["name"]) in vms:
            tags = instance.get("tags") or {}
            instance = {**instance, "tags": {**tags, "items": [*(tags.get("items") or ()), _TAG]}}  # noqa: PLW2901
        instances.append(instance)
    return {**rows, "instances": instances, "disks": [*rows.get("disks", ()), *_boot_disks(instances)]}


def _boot_disks(instances: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The boot disks of VMs, which a snapshot does not have, with the image of a new VM."""
    for instance in instances:
        for disk in instance.get("disks") or ():
            if disk.get("boot") and disk.get("source"):
                link = disk["source"]
                yield {
                    "name": link.rpartition("/")[2],
                    "zone": link.rpartition("/disks/")[0],
                    "selfLink": link,
                    "sizeGb": str(disk.get("diskSizeGb") or 20),
                    "status": "READY",
                    "type": f"{link.rpartition('/disks/')[0]}/diskTypes/pd-balanced",
                    "sourceImage": "projects/debian-cloud/global/images/debian-12",
                    "users": [instance["selfLink"]],
                }


def _limits(given: Description) -> Limits:
    """The project's quotas as far as they are simulated, else their defaults."""
    found = {quota["metric"]: int(quota["limit"]) for quota in given.quotas}
    routes = max(Limits().static_routes_per_network, len(given.resources.get("routes", ())))
    known: dict[str, Any] = {name: found[metric] for metric, name in LIMITS.items() if metric in found}
    return replace(Limits(static_routes_per_network=routes), **known)
