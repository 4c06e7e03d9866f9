"""Reads the facts that the shoot controller decides on, typed for the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dualstack.gardener.model.constraints import DnsFacts, NodesFacts
from dualstack.gardener.model.kinds import INFRASTRUCTURE, MACHINE, MACHINE_CLASS, MACHINE_DEPLOYMENT, NETWORK
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import is_dual_stack, pool_of
from dualstack.kube.interface import Kube
from dualstack.model.conditions import condition_status
from dualstack.model.json_path import dig
from dualstack.model.kinds import POD, SERVICE, Manifest
from dualstack.model.names import KUBE_DNS, KUBE_DNS_SELECTOR, KUBE_SYSTEM


async def nodes_facts(seed: Kube, shoot: ShootView, nodes: Sequence[Manifest]) -> NodesFacts:
    """The facts behind DualStackNodesMigrationReady of a shoot with these Nodes."""
    namespace = shoot.technical_id
    network = await seed.get(NETWORK, shoot.name, namespace)
    infrastructure = await seed.get(INFRASTRUCTURE, shoot.name, namespace)
    machines = await seed.list(MACHINE, namespace)
    families = dig(network, "status", "ipFamilies")
    return NodesFacts(
        families=shoot.families,
        network_families=None if families is None else tuple(families),
        node_pod_cidrs=tuple(tuple(dig(node, "spec", "podCIDRs") or ()) for node in nodes),
        infrastructure_node_ranges=len(dig(infrastructure, "status", "networking", "nodes") or ()),
        machine_classes_match=await machine_classes_match(seed, shoot),
        nodes_constraint=shoot.constraint(NODES_MIGRATION),
        dns_constraint=shoot.constraint(DNS_MIGRATION),
        machines_without_node=_without_node(machines, nodes),
    )


def _without_node(machines: Sequence[Manifest], nodes: Sequence[Manifest]) -> tuple[str, ...]:
    """The Machines that have a VM, are not being deleted, and have no Node of their name."""
    known = {node["metadata"]["name"] for node in nodes}
    return tuple(
        name
        for machine in machines
        if (name := machine["metadata"]["name"]) not in known
        and dig(machine, "spec", "providerID")
        and not machine["metadata"].get("deletionTimestamp")
    )


async def dns_facts(kube: Kube, shoot: ShootView) -> DnsFacts:
    """The facts behind DNSServiceMigrationReady. Pods that are being deleted do not count."""
    service = await kube.get(SERVICE, KUBE_DNS, KUBE_SYSTEM)
    pods = await kube.list(POD, KUBE_SYSTEM, labels=KUBE_DNS_SELECTOR)
    return DnsFacts(
        families=shoot.families,
        service_cluster_ips=tuple(dig(service, "spec", "clusterIPs") or ()),
        pod_ips=tuple(
            tuple(entry["ip"] for entry in dig(pod, "status", "podIPs") or ())
            for pod in pods
            if not pod["metadata"].get("deletionTimestamp")
        ),
        dns_constraint=condition_status(shoot.constraints, DNS_MIGRATION),
    )


async def machine_classes_match(seed: Kube, shoot: ShootView) -> bool:
    """Whether the class of every MachineDeployment creates machines of the target families.

    False when there is no MachineDeployment yet.
    """
    deployments = await seed.list(MACHINE_DEPLOYMENT, shoot.technical_id)
    wanted = {dig(deployment, "spec", "template", "spec", "class", "name") for deployment in deployments}
    classes = {entry["metadata"]["name"]: entry for entry in await seed.list(MACHINE_CLASS, shoot.technical_id)}
    return bool(wanted) and all(name in classes and is_dual_stack(classes[name]) == shoot.dual_stack for name in wanted)


async def machines_below_minimum(seed: Kube, shoot: ShootView) -> bool:
    """Whether a pool has fewer machines than its minimum, as after hibernation; never of a hibernated Shoot."""
    if shoot.hibernated:
        return False
    replicas: Counter[str | None] = Counter()
    for deployment in await seed.list(MACHINE_DEPLOYMENT, shoot.technical_id):
        replicas[pool_of(deployment)] += dig(deployment, "spec", "replicas") or 0
    return any(replicas[pool.name] < pool.minimum for pool in shoot.pools)


def networking_of(infrastructure: Manifest, view: ShootView) -> Manifest:
    """`status.networking` of the Shoot: that of the Infrastructure, else built from its legacy `nodesCIDR`."""
    found = dig(infrastructure, "status", "networking")
    if not found:
        nodes = dig(infrastructure, "status", "nodesCIDR") or view.nodes
        found = {"pods": [view.pods], "services": [view.services], "nodes": [nodes] if nodes else []}
    return {**found, "egressCIDRs": dig(infrastructure, "status", "egressCIDRs") or []}
