"""The tasks that create and update the resources of one Shoot (docs/reference/gardener.md#reconcile-graph)."""

from __future__ import annotations

from typing import Any

from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import NODES_SUBNET_IPV6, RESOURCES_EXIST, SERVICES_SUBNET_IPV6
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.flow_tasks import Task, run_flow
from dualstack_sim.actors.provider_gcp.bodies import Bodies, rule_differs
from dualstack_sim.actors.provider_gcp.flow import Flow
from dualstack_sim.actors.provider_gcp.migration import PANIC, Migration
from dualstack_sim.actors.provider_gcp.requests import RequestFailed, Requests

PREFIX_POLL, PREFIX_POLLS = 2.0, 15
"""Seconds between two reads of a subnet without IPv6 prefix, and how many of them (docs/reference/weaknesses.md#w30).
"""


class Reconcile(Flow):
    """One reconcile of one Infrastructure."""

    async def run(self) -> Manifest:
        """Bring everything to the desired state; returns the fields of the status. Raises FlowFailed."""
        self.board.data[RESOURCES_EXIST] = "true"
        await self.board.persist()
        await run_flow(self._tasks(), self.clock, self.board.persist)
        return {**self.board.status(self.bodies), "state": self.board.state()}

    def _tasks(self) -> list[Task]:
        dual = self.shoot.dual_stack_infrastructure
        migrating = self.shoot.constraint(gardener_names.NODES_MIGRATION) not in (None, "True")
        migration = Migration(self.requests, self.kube, self.bodies, self.board)
        vpc, cleanup, worker = "ensure VPC", "ensure kubernetes routes cleanup", "ensure worker subnet"
        internal, services, prefixes = (
            "ensure internal subnet",
            "ensure IPv6 services subnet",
            "ensure IPv6 CIDR services",
        )
        router, addresses = "ensure router", "ensure IP addresses"
        return [
            Task(vpc, self._network),
            Task(cleanup, migration.clean_routes, (vpc,), wanted=migrating),
            Task(worker, self._nodes, (vpc, cleanup)),
            Task("ensure alias ip ranges", migration.insert_aliases, (vpc, cleanup, worker)),
            Task(internal, self._internal, (vpc,)),
            Task(services, self._services, (vpc,), wanted=dual),
            Task(prefixes, self._prefixes, (worker, services), wanted=dual),
            Task(router, self._router, (vpc,)),
            Task(addresses, self._addresses, wanted=bool(self.bodies.config.nat_ip_names)),
            Task("ensure nats", self._nats, (router, worker, addresses)),
            Task("ensure firewall", self._firewall, (vpc, worker, internal, prefixes)),
        ]

    async def _network(self) -> None:
        path = f"global/networks/{self.bodies.vpc}"
        found = await self.requests.get(path)
        if self.bodies.config.user_vpc:
            if found is None:
                raise RequestFailed(f"failed to locate user-managed VPC [Name={self.bodies.vpc}]")
            self.board.network = found
        elif found is None:
            self.board.network = await self.requests.create("global/networks", self.bodies.network())
        else:
            self.board.network = await self.requests.patch(path, self.bodies.network_patch())

    async def _nodes(self) -> None:
        self.board.nodes = await self._subnet(self.bodies.nodes(self._link))

    async def _internal(self) -> None:
        wanted = self.bodies.internal(self._link)
        if wanted is None:
            await self.requests.delete(self.regional("subnetworks", gardener_names.internal_subnet(self.bodies.ns)))
        else:
            await self._subnet(wanted)

    async def _services(self) -> None:
        self.board.services = await self._subnet(self.bodies.services(self._link))

    async def _subnet(self, wanted: Resource) -> Resource:
        """Create the subnet, or send one PATCH for each aspect that differs
        (docs/reference/gardener.md#subnet-update-order)."""
        path = self.regional("subnetworks", wanted["name"])
        current = await self.requests.get(path)
        if current is None:
            return await self.requests.create(self.regional("subnetworks"), wanted)
        if current["ipCidrRange"] != wanted["ipCidrRange"]:
            current = await self.requests.expand(path, wanted["ipCidrRange"])
        for change in _subnet_changes(current, wanted):
            current = await self.requests.patch(path, {"fingerprint": current["fingerprint"], **change})
        return current

    async def _prefixes(self) -> None:
        for key, subnet in ((NODES_SUBNET_IPV6, self.board.nodes), (SERVICES_SUBNET_IPV6, self.board.services)):
            self.board.data[key] = await self._prefix(str(subnet["id"]))

    async def _prefix(self, number: str) -> str:
        """Reads the subnet by its numeric ID."""
        for _ in range(PREFIX_POLLS):
            await self.clock.sleep(PREFIX_POLL)
            subnet = await self.requests.get(self.regional("subnetworks", number))
            if subnet is None:
                raise RequestFailed(PANIC)
            if prefix := subnet.get("externalIpv6Prefix"):
                return str(prefix)
        raise RequestFailed(f'no IPv6 CIDR block was assigned to subnet "{number}": context deadline exceeded')

    async def _router(self) -> None:
        path = self.regional("routers", self.bodies.router_name)
        found = await self.requests.get(path)
        if found is None and self.bodies.config.user_router:
            raise RequestFailed(f"failed to locate user-managed CloudRouter [Name={self.bodies.router_name}]")
        if found is None:
            found = await self.requests.create(self.regional("routers"), self.bodies.router(self._link))
        self.board.router = found

    async def _addresses(self) -> None:
        for name in self.bodies.config.nat_ip_names:
            address = await self.requests.get(self.regional("addresses", name))
            if address is None:
                raise RequestFailed(f"failed to locate user-managed IP address [Name={name}]")
            self.board.addresses.append(address)

    async def _nats(self) -> None:
        links = [address["selfLink"] for address in self.board.addresses]
        body = self.bodies.nats(self.board.router.get("nats", ()), self.board.nodes["selfLink"], links)
        await self.requests.patch(self.regional("routers", self.bodies.router_name), body)

    async def _firewall(self) -> None:
        for rule in self.bodies.firewalls(self._link, self.board.prefixes):
            path = f"global/firewalls/{rule['name']}"
            found = await self.requests.get(path)
            if found is None:
                await self.requests.create("global/firewalls", rule)
            elif rule_differs(found, rule):
                await self.requests.patch(path, rule)

    @property
    def _link(self) -> str:
        return str(self.board.network["selfLink"])


def _subnet_changes(current: Resource, wanted: Resource) -> list[dict[str, Any]]:
    """The bodies of the PATCHes without fingerprint, in their order. Upstream compares values that it does not set
    with the defaults that Compute fills in, so that it repeats itself (docs/reference/weaknesses.md#w29)."""
    changes: list[dict[str, Any]] = []
    if bool(current.get("enableFlowLogs")) != bool(wanted.get("enableFlowLogs")):
        changes.append({"enableFlowLogs": bool(wanted.get("enableFlowLogs"))})
    families = {name: wanted.get(name, "") for name in ("stackType", "ipv6AccessType")}
    if any(current.get(name, "") != value for name, value in families.items()):
        changes.append(families)
    ranges = wanted.get("secondaryIpRanges", [])
    if [(entry["rangeName"], entry["ipCidrRange"]) for entry in current.get("secondaryIpRanges", ())] != [
        (entry["rangeName"], entry["ipCidrRange"]) for entry in ranges
    ]:
        changes.append({"secondaryIpRanges": ranges})
    if current.get("logConfig") is not None or wanted.get("logConfig") is not None:
        changes.append({"logConfig": wanted.get("logConfig")})
    return changes


async def check_config(requests: Requests, bodies: Bodies) -> str | None:
    """What is wrong with the NAT addresses of the user; None if nothing is
    (docs/reference/gardener.md#config-validator)."""
    problems = []
    for number, name in enumerate(bodies.config.nat_ip_names):
        address = await requests.get(f"regions/{bodies.shoot.region}/addresses/{name}")
        path = f"networks.cloudNAT.natIPNames[{number}].name"
        if address is None:
            problems.append(f'{path}: Not found: "{name}"')
            continue
        others = [user for user in address.get("users", ()) if user.rpartition("/")[2] != bodies.router_name]
        if others:
            problems.append(f'{path}: Invalid value: "{name}": external IP address is already in use by {others[0]}')
    return ", ".join(problems) or None
