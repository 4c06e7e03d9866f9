"""The node controllers of the cloud-controller-manager: they initialise Nodes, update their addresses, and delete Nodes
without a VM (docs/reference/gardener.md#functions-without-ccm).
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from dualstack.model.conditions import HEARTBEAT_TIME, find_condition, is_true, with_condition
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.compute_api import ComputeApi, Resource
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import Informer, ObjectKey, key_of
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import ComputeRefusal

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"
_STOPPED = ("TERMINATED", "STOPPED", "SUSPENDED")
_MONITOR_SECONDS = 60.0
_PROVIDER_ID = re.compile(r"gce://[^/]+/([^/]+)/([^/]+)")


def zone_and_name(provider_id: str) -> tuple[str, str]:
    """The VM of a Node; ComputeRefusal for anything but `gce://<project>/<zone>/<name>`
    (docs/reference/gardener.md#provider-ids)."""
    found = _PROVIDER_ID.fullmatch(provider_id)
    if found is None:
        raise ComputeRefusal(0, "", "error splitting providerID")
    return found[1], found[2]


class Machines:
    """The VMs behind Nodes, found by provider ID or, for a Node without one, by name in all zones."""

    def __init__(self, context: ActorContext) -> None:
        self._compute: ComputeApi = context.named("cloud-controller-manager")[1]

    async def of(self, node: Manifest) -> Resource | None:
        """The instance of a Node; None if there is no such VM. ComputeRefusal, also for a malformed provider ID."""
        provider_id = node["spec"].get("providerID", "")
        if provider_id:
            zone, name = zone_and_name(provider_id)
            return await self._compute.get(f"zones/{zone}/instances/{name}")
        name = node["metadata"]["name"]
        found = await self._compute.aggregated("instances", matching=f"name eq {name}")
        return found[0] if found else None

    async def all(self) -> dict[str, Resource]:
        """Name, status and interfaces of all VMs of the project, by name."""
        fields = "nextPageToken,items/*/instances(name,status,networkInterfaces)"
        return {instance["name"]: instance for instance in await self._compute.aggregated("instances", fields=fields)}


class CloudNodes:
    """Initialises each Node once, and deletes Nodes whose VM is gone."""

    def __init__(
        self, context: ActorContext, machines: Machines, nodes: Informer, *, marks_new_nodes: bool = False
    ) -> None:
        """marks_new_nodes: the network of a new Node is unavailable until another controller says otherwise."""
        self._context = context
        self._kube = context.named("cloud-controller-manager")[0]
        self._machines = machines
        self._nodes = nodes
        self._marks_new_nodes = marks_new_nodes
        self._queue = context.queue("cloud-nodes")
        self._recorder = Recorder(context, "cloud-node-controller")

    def node_changed(self, node: Manifest) -> None:
        """Queue a Node that is not initialised."""
        if any(taint["key"] == UNINITIALIZED for taint in node["spec"].get("taints") or ()):
            self._queue.add(key_of(node))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._queue.serve(self._initialise, workers=4))
            group.create_task(self._monitor_machines())

    async def _initialise(self, key: ObjectKey) -> float | None:
        node = self._nodes.get(key[1])
        if node is None or all(taint["key"] != UNINITIALIZED for taint in node["spec"].get("taints") or ()):
            return None
        instance = await self._machines.of(node)
        if instance is None:
            return 5.0
        name = node["metadata"]["name"]
        if self._marks_new_nodes:
            node = await self._mark(node)
        zone = str(instance["zone"]).rsplit("/", 1)[-1]
        left = [taint for taint in node["spec"]["taints"] if taint["key"] != UNINITIALIZED]
        await self._kube.patch(
            NODE,
            name,
            {"status": {"addresses": addresses(instance)}},
            patch_type="merge",
            subresource="status",
        )
        written = await self._kube.patch(
            NODE,
            name,
            {
                "metadata": {
                    "labels": {
                        "topology.kubernetes.io/zone": zone,
                        "topology.kubernetes.io/region": zone.rsplit("-", 1)[0],
                        "node.kubernetes.io/instance-type": str(instance["machineType"]).rsplit("/", 1)[-1],
                    }
                },
                "spec": {"providerID": f"gce://{self._context.project}/{zone}/{name}", "taints": left or None},
            },
        )
        self._nodes.observe(written)
        self._recorder.record(written, "Synced", "Node synced successfully")
        return None

    async def _mark(self, node: Manifest) -> Manifest:
        """Set NetworkUnavailable, and the taint that follows from it, before pods can be scheduled."""
        now, name = self._context.clock.now(), node["metadata"]["name"]
        await set_network_available(self._kube, node, "Node created without a route", now, available=False)
        return await self._kube.get(NODE, name) or node

    async def _monitor_machines(self) -> None:
        while True:
            await self._context.clock.sleep(_MONITOR_SECONDS)
            with suppress(DualstackError):  # repeated in the next round
                await self._compare(await self._machines.all())

    async def _compare(self, instances: dict[str, Resource]) -> None:
        """Update every initialised Node from its VM."""
        for node in self._nodes.all():
            if not node["spec"].get("providerID"):
                continue
            instance = instances.get(node["metadata"]["name"])
            with suppress(DualstackError):  # a conflict on one Node must not skip the others
                if instance is None:
                    await self._delete_abandoned(node)
                else:
                    await self._keep_addresses(node, instance)
                    await self._mark_shutdown(node, stopped=instance["status"] in _STOPPED)

    async def _delete_abandoned(self, node: Manifest) -> None:
        """Delete the Node, unless its VM was created after the list."""
        name = node["metadata"]["name"]
        if await self._machines.of(node) is None:
            self._recorder.record(node, "DeletingNode", f"Deleting node {name} because it does not exist")
            await self._kube.delete(NODE, name, uid=node["metadata"]["uid"])

    async def _keep_addresses(self, node: Manifest, instance: Resource) -> None:
        wanted = addresses(instance)
        if node.get("status", {}).get("addresses") == wanted:
            return
        body = {"status": {"addresses": wanted}}
        self._nodes.observe(
            await self._kube.patch(NODE, node["metadata"]["name"], body, patch_type="merge", subresource="status")
        )

    async def _mark_shutdown(self, node: Manifest, *, stopped: bool) -> None:
        """Taint a Node that is not ready while its VM is shut down."""
        before = node["spec"].get("taints") or []
        ready = is_true(node.get("status", {}).get("conditions", []), "Ready")
        taints = [taint for taint in before if taint["key"] != SHUTDOWN]
        if stopped and not ready:
            taints.append({"key": SHUTDOWN, "effect": "NoSchedule"})
        if taints != before:
            self._nodes.observe(
                await self._kube.patch(NODE, node["metadata"]["name"], {"spec": {"taints": taints or None}})
            )


def addresses(instance: Resource) -> list[dict[str, str]]:
    """The Node addresses of a VM: InternalIP v4, InternalIP v6 if its NIC has one, Hostname
    (docs/reference/gardener.md#node-addresses)."""
    interface = instance["networkInterfaces"][0]
    found = [{"type": "InternalIP", "address": interface["networkIP"]}]
    ipv6 = ipv6_address(interface)
    if ipv6:
        found.append({"type": "InternalIP", "address": ipv6})
    return [*found, {"type": "Hostname", "address": instance["name"]}]


def ipv6_address(interface: Resource) -> str | None:
    """The first address of the NIC's /96, as Compute writes it: without `::`
    (docs/reference/gardener.md#node-prefixes)."""
    text: str = interface.get("ipv6Address") or next(
        (entry["externalIpv6"] for entry in reversed(interface.get("ipv6AccessConfigs") or ())), ""
    )
    return text or None


UNAVAILABLE_TAINT = "node.kubernetes.io/network-unavailable"


async def set_network_available(
    kube: KubeApi, node: Manifest, message: str, now: float, *, available: bool
) -> Manifest | None:
    """Set NetworkUnavailable with the reason of the route controller, and its taint. None if nothing changes.

    In a real cluster the node lifecycle controller sets the taint a moment later.
    """
    conditions = node.get("status", {}).get("conditions", [])
    status, reason = ("False", "RouteCreated") if available else ("True", "NoRouteCreated")
    changed = with_condition(
        conditions, "NetworkUnavailable", status, reason, message, now=now, update_key=HEARTBEAT_TIME
    )
    wanted = find_condition(changed, "NetworkUnavailable")
    name = node["metadata"]["name"]
    taints = [taint for taint in node["spec"].get("taints") or () if taint["key"] != UNAVAILABLE_TAINT]
    if not available:
        taints.append({"key": UNAVAILABLE_TAINT, "effect": "NoSchedule"})
    if taints != (node["spec"].get("taints") or []):
        node = await kube.patch(NODE, name, {"spec": {"taints": taints or None}})
    if wanted == find_condition(conditions, "NetworkUnavailable"):
        return None
    body = {"status": {"conditions": [wanted]}}
    return await kube.patch(NODE, name, body, patch_type="strategic", subresource="status")
