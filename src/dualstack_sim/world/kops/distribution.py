"""What is kOps' own in a cluster that it made: names, instance groups, labels and flags
(docs/reference/kubernetes.md#kops)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import DAEMON_SET, Manifest
from dualstack.model.manifests import daemon_set
from dualstack_sim.actors.hosts import Registration
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.world.kubeadm.cloud import vm_properties
from dualstack_sim.world.kubeadm.cluster import (
    ANNOTATIONS,
    CONTROL_PLANE_LABELS,
    CONTROL_PLANE_ROLE,
    CONTROL_PLANE_TAINT,
    Distribution,
    Names,
    Objects,
    PlannedNode,
    VmCluster,
)
from dualstack_sim.world.kubeadm.control_plane import cloud_controller_manager

_DOMAIN = "example.com"
_GROUP = "kops.k8s.io/instancegroup"


def _cluster_name(shoot: ShootView) -> str:
    return f"{shoot.name}.{_DOMAIN}"


def _names(shoot: ShootView) -> Names:
    """Resources of Google Cloud have the name of the cluster with dashes for dots, and so has `--cluster-name`."""
    safe = _cluster_name(shoot).replace(".", "-")
    network = shoot.infrastructure_config.user_vpc or safe
    role = f"{safe}-k8s-io-role"
    return Names(safe, network, f"{shoot.region}-{safe}", f"{role}-control-plane", f"{role}-node")


def _group(node: PlannedNode) -> str:
    """The name of the node's instance group, which is the beginning of its VM's name."""
    return f"{'control-plane' if node.control_plane else node.pool.name}-{node.zone}"


def _place_vms(compute: Compute, cluster: VmCluster, guest_agent: bool) -> list[tuple[PlannedNode, Manifest]]:
    """Create a template and a managed instance group for each group of nodes."""
    groups: dict[str, list[PlannedNode]] = {}
    for node in cluster.planned_nodes():
        groups.setdefault(_group(node), []).append(node)
    placed = []
    for group, nodes in groups.items():
        template = _place_template(compute, cluster, group, nodes[0], guest_agent)
        zone = f"zones/{nodes[0].zone}"
        body = {
            "name": f"{nodes[0].zone[-1]}-{group}-{cluster.names.cluster}",
            "baseInstanceName": group,
            "targetSize": len(nodes),
            "instanceTemplate": template["selfLink"],
        }
        compute.place("instanceGroupManagers", zone, body)
        rows = compute.look("instances.list", zone, query={"filter": f"name eq {group}-[a-z0-9]+"})["items"]
        vms = sorted(rows, key=lambda vm: str(vm["name"]))
        placed += [(replace(node, name=vm["name"]), vm) for node, vm in zip(nodes, vms, strict=True)]
    return placed


def _place_template(compute: Compute, cluster: VmCluster, group: str, node: PlannedNode, guest_agent: bool) -> Manifest:
    metadata = {
        "cluster-name": _cluster_name(cluster.shoot),
        "kops-k8s-io-instance-group-name": group,
        "user-data": "#!/bin/bash\n/opt/kops/bin/nodeup --conf=/opt/kops/conf/kube_env.yaml\n",
    }
    properties = vm_properties(cluster, node, metadata, guest_agent=guest_agent)
    properties["disks"][0]["initializeParams"]["diskType"] = node.pool.volume_type
    role = "control-plane" if node.control_plane else "node"
    labels = {
        "k8s-io-cluster-name": cluster.names.cluster,
        "k8s-io-instance-group": group,
        f"k8s-io-role-{role}": role,
    }
    body = {**properties, "machineType": node.pool.machine_type, "labels": labels}
    return compute.place(
        "instanceTemplates", "global", {"name": f"{group}-{cluster.names.cluster}", "properties": body}
    )


def _registrations(cluster: VmCluster) -> Callable[[str], Registration]:
    """The labels that kops-controller gives to the nodes of the VM's group."""
    known = {_group(node): _registration(node) for node in cluster.planned_nodes()}
    return lambda name: known.get(name.rpartition("-")[0]) or Registration({}, ANNOTATIONS)


def _registration(node: PlannedNode) -> Registration:
    group = _group(node)
    if node.control_plane:
        return Registration({**CONTROL_PLANE_LABELS, _GROUP: group}, ANNOTATIONS, [CONTROL_PLANE_TAINT])
    labels = {**node.pool.labels, _GROUP: group, "node-role.kubernetes.io/node": ""}
    return Registration(labels, ANNOTATIONS, node.pool.taints)


def _objects(cluster: VmCluster, project: str) -> Objects:
    """cloud-controller-manager and kops-controller. kOps has no object in the API that names the ranges."""
    controller = daemon_set("kops-controller", "registry.k8s.io/kops/kops-controller:1.33.0", labels=_CONTROLLER)
    controller["spec"]["template"]["spec"]["nodeSelector"] = {CONTROL_PLANE_ROLE: ""}
    flags = {"cidr-allocator-type": "CloudAllocator", "controllers": "*"}
    return [*cloud_controller_manager(cluster, project, flags), (DAEMON_SET, controller)]


_CONTROLLER = {"k8s-app": "kops-controller"}

KOPS = Distribution(_names, "k8s-app", _place_vms, _registrations, _objects)
