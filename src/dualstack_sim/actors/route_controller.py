"""The route controller: one static route for each pod CIDR, synced every ten seconds
(docs/reference/gardener.md#route-controller).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_network

from dualstack.model.conditions import find_condition
from dualstack.model.kinds import Manifest
from dualstack.model.names import ROUTE_DESCRIPTION, ROUTE_PRIORITY
from dualstack_sim.actors.cloud_nodes import set_network_available, zone_and_name
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.informer import Informer
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import ComputeConflict, ComputeRefusal, KubeRefusal, OperationFailed

PERIOD_SECONDS = 10.0
_CREATED = "RouteController created a route"
_FAILED = "RouteController failed to create a route"


class RouteController:
    """Creates missing routes, deletes those of no Node, and writes NetworkUnavailable of each Node."""

    def __init__(self, context: ActorContext, flags: ControllerFlags, nodes: Informer) -> None:
        self._context = context
        self._kube, self._compute = context.named("route-controller")
        self._flags = flags
        self._nodes = nodes
        self._prefix = flags.cluster_name[:26]
        self._network = ""
        self._recorder = Recorder(context, "route_controller")

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._sync_periodically())

    async def _sync_periodically(self) -> None:
        while True:
            with suppress(ComputeRefusal):  # repeated in the next period, as upstream
                await self._sync()
            await self._context.clock.sleep(PERIOD_SECONDS)

    async def _sync(self) -> None:
        nodes = [node for node in self._nodes.all() if node["spec"].get("podCIDRs") and node["spec"].get("providerID")]
        if not await self._find_network(nodes):
            return
        routes = await self._compute.list("global/routes", matching=self._filter())
        found = {(route.get("nextHopInstance", "").rsplit("/", 1)[-1], route["destRange"]) for route in routes}
        wanted = {(node["metadata"]["name"], cidr) for node in nodes for cidr in node["spec"]["podCIDRs"]}
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                missing = [cidr for cidr in node["spec"]["podCIDRs"] if (node["metadata"]["name"], cidr) not in found]
                group.create_task(self._ensure(node, missing))
            for route in routes:
                target = route.get("nextHopInstance", "").rsplit("/", 1)[-1]
                if (target, route["destRange"]) not in wanted and self._inside(route["destRange"]):
                    group.create_task(self._delete(route))

    async def _find_network(self, nodes: list[Manifest]) -> bool:
        """Learn the network from the first VM. Upstream reads it from its configuration file
        (docs/reference/gardener.md#cloud-provider-config)."""
        for node in nodes:
            if self._network:
                break
            with suppress(ComputeRefusal):
                zone, name = zone_and_name(node["spec"]["providerID"])
                instance = await self._compute.get(
                    f"zones/{zone}/instances/{name}", fields="networkInterfaces(network)"
                )
                if instance is not None:
                    self._network = str(instance["networkInterfaces"][0]["network"])
        return bool(self._network)

    def _filter(self) -> str:
        return f"(name eq {self._prefix}-.*) (network eq {self._network}) (description eq {ROUTE_DESCRIPTION})"

    async def _ensure(self, node: Manifest, missing: list[str]) -> None:
        problem = None
        for cidr in missing:
            problem = await self._create(node, cidr) or problem
        if problem:
            self._recorder.record(node, "FailedToCreateRoute", problem, warning=True)
        message = _FAILED if problem else _CREATED
        now = self._context.clock.now()
        # Other writers may have changed the Node while the routes were created.
        node = self._nodes.get(node["metadata"]["name"]) or node
        condition = find_condition(node.get("status", {}).get("conditions", []), "NetworkUnavailable")
        if condition is not None and condition["status"] == ("True" if problem else "False"):
            return
        with suppress(KubeRefusal):  # a deleted Node or a conflict: repeated in the next period
            self._nodes.observe(await set_network_available(self._kube, node, message, now, available=problem is None))

    async def _create(self, node: Manifest, cidr: str) -> str | None:
        """Create one route. Returns an error message, or None. A route of that name counts as success."""
        route, name = f"{self._prefix}-{node['metadata']['uid']}", node["metadata"]["name"]
        try:
            zone, name = zone_and_name(node["spec"]["providerID"])
            body: Resource = {
                "name": route,
                "destRange": cidr,
                "nextHopInstance": f"zones/{zone}/instances/{name}",
                "network": self._network,
                "priority": ROUTE_PRIORITY,
                "description": ROUTE_DESCRIPTION,
            }
            await self._compute.wait(await self._compute.insert("global/routes", body))
        except ComputeConflict:
            return None
        except (ComputeRefusal, OperationFailed) as refusal:
            return f"Could not create route {route} {cidr} for node {name}: {refusal}"
        return None

    async def _delete(self, route: Resource) -> None:
        try:
            await self._compute.wait(await self._compute.delete(f"global/routes/{route['name']}"))
        except (ComputeRefusal, OperationFailed):
            return  # repeated in the next period

    def _inside(self, cidr: str) -> bool:
        network = ip_network(cidr)
        return any(
            network.version == cluster.version
            and int(cluster.network_address) <= int(network.network_address)
            and int(network.broadcast_address) <= int(cluster.broadcast_address)
            for cluster in self._flags.cluster_cidrs
        )
