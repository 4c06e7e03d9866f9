"""The tasks that delete the resources of one Shoot (docs/reference/gardener.md#deletion-graph)."""

from __future__ import annotations

from dualstack.gardener.model import names as gardener_names
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.flow_tasks import Task, run_flow
from dualstack_sim.actors.provider_gcp.flow import Flow
from dualstack_sim.actors.provider_gcp.migration import owned_routes
from dualstack_sim.actors.provider_gcp.whiteboard import resources_exist

FIREWALL_TIMEOUT = 1200.0
CLUSTER_FIREWALL_PREFIX = "k8s-"


class Deletion(Flow):
    """The deletion of one Infrastructure."""

    async def run(self) -> Manifest:
        """Delete everything; nothing if no resource was ever created. Raises FlowFailed."""
        if resources_exist(self.board.data):
            await run_flow(self._tasks(), self.clock, self.board.persist)
        return {}

    def _tasks(self) -> list[Task]:
        config, ns = self.bodies.config, self.bodies.ns
        firewall, nats, router = "destroy infrastructure firewall", "destroy nats", "ensure router deleted"
        internal, services, worker = "destroy internal subnet", "destroy services subnet", "destroy worker subnet"

        def subnet(name: str) -> str:
            return self.regional("subnetworks", name)

        return [
            Task("destroy kubernetes routes", self._routes),
            Task(firewall, self._firewalls, timeout=FIREWALL_TIMEOUT),
            Task(nats, self._nats, wanted=bool(config.user_router)),
            Task(internal, lambda: self.requests.delete(subnet(gardener_names.internal_subnet(ns)))),
            Task(
                services,
                lambda: self.requests.delete(subnet(gardener_names.services_subnet(ns))),
                wanted=self.shoot.dual_stack_infrastructure,
            ),
            Task(
                router,
                lambda: self.requests.delete(self._router_path),
                (nats,),
                wanted=not config.user_router,
            ),
            Task(worker, lambda: self.requests.delete(subnet(gardener_names.nodes_subnet(ns))), (nats, router)),
            Task(
                "destroy vpc",
                lambda: self.requests.delete(f"global/networks/{self.bodies.vpc}"),
                (worker, internal, services, router, firewall),
                wanted=not config.user_vpc,
            ),
        ]

    async def _routes(self) -> None:
        for route in owned_routes(await self._in_network("global/routes"), self.bodies):
            await self.requests.delete(f"global/routes/{route['name']}", missing_is_success=False)

    async def _firewalls(self) -> None:
        own = {rule["name"] for rule in self.bodies.firewalls("", ("::/0",))}
        for rule in await self._in_network("global/firewalls"):
            tagged = self.bodies.ns in rule.get("targetTags", ())
            if rule["name"] in own or (tagged and rule["name"].startswith(CLUSTER_FIREWALL_PREFIX)):
                await self.requests.delete(f"global/firewalls/{rule['name']}")

    async def _in_network(self, path: str) -> list[Resource]:
        return await self.requests.list(path, matching=f'network eq ".*({self.bodies.vpc}).*"')

    async def _nats(self) -> None:
        router = await self.requests.get(self._router_path)
        if router is not None:
            await self.requests.patch(self._router_path, self.bodies.other_nats(router.get("nats", ())))

    @property
    def _router_path(self) -> str:
        return self.regional("routers", self.bodies.router_name)
