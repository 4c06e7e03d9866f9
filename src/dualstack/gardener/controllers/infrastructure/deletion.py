"""Deletes what the Infrastructure controller and cloud-controller-manager created.

The order and the names of the tasks are Gardener's (docs/reference/gardener.md#deletion-graph). Resources are found in
the cloud, not in the Shoot's status (docs/reference/weaknesses.md#w35), by their exact name or by the ownership of
routes. A missing resource is not an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.cutover.decoys import decoy_name, decoy_routes, is_decoy, remove_vm
from dualstack.cutover.rollback_drill import drill_routes
from dualstack.cutover.route_ownership import FIELDS as ROUTE_FIELDS
from dualstack.cutover.route_ownership import Ownership, split
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.controllers.reporting import task
from dualstack.gardener.model import names
from dualstack.gardener.model.infrastructure import RESOURCES_EXIST, SERVICE_ACCOUNT_EXISTS
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClient
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import network_filter, same_resource
from dualstack.kube.event_recorder import EventRecorder
from dualstack.kube.interface import Kube
from dualstack.model.kinds import CONFIG_MAP, SECRET
from dualstack.plan.facts import SavedRoute

FIREWALL_FIELDS = "items(name,network,targetTags),nextPageToken"
CLUSTER_FIREWALL_PREFIX = "k8s-"
"""Prefix of the firewall rules that cloud-controller-manager creates for load balancers."""


def exists(data: Mapping[str, str]) -> bool:
    """Whether any resource was ever created; without one, a Shoot with wrong credentials can be deleted."""
    return data.get(RESOURCES_EXIST, "").lower() == "true"


@dataclass(frozen=True, slots=True)
class InfrastructureDeletion:
    """The deletion of all resources of one Shoot."""

    compute: ComputeClient
    kube: Kube
    clock: Clock
    desired: Desired
    shoot: ShootView
    record: InfrastructureRecord

    async def run(self) -> None:
        """Delete in order, independent branches in parallel. Raises TaskFailed with the name of the task."""
        network = await self._network()
        await self._temporary(network)
        await gather_all(
            self._routes(network),
            self._firewalls(network),
            self._subnet("destroy internal subnet", self.desired.internal_subnet),
            self._subnet("destroy services subnet", self.desired.services_subnet),
            self._router_and_nodes(),
        )
        if not self.desired.config.user_vpc:
            with task("destroy vpc"):
                await self.compute.delete(f"global/networks/{self.desired.vpc}")
        if (await self.record.state()).data.get(SERVICE_ACCOUNT_EXISTS) == "true":
            await self._announce_service_account()

    async def _network(self) -> str | None:
        """The selfLink of the VPC; None when it is gone, and with it everything inside."""
        with task("destroy vpc"):
            found = await self.compute.find(f"global/networks/{self.desired.vpc}", fields="selfLink")
        return str(found["selfLink"]) if found else None

    async def _routes(self, network: str | None) -> None:
        if network is None:
            return
        with task("destroy kubernetes routes"):
            listed = await self.compute.list("global/routes", filter=network_filter(network), fields=ROUTE_FIELDS)
            ours, _ = split(listed, await self._ownership(network))
            await gather_all(*(self.compute.delete(f"global/routes/{route.name}") for route in ours))

    async def _temporary(self, network: str | None) -> None:
        """Delete decoys and the drill's route of an unfinished cut-over, which would block the subnet and the VPC."""
        if network is None:
            return
        zones = sorted({zone for pool in self.shoot.pools for zone in pool.zones})
        with task("destroy decoys"):
            for zone in zones:
                path = f"zones/{zone}/instances/{decoy_name(self.desired.ns)}"
                if is_decoy(await self.compute.find(path, fields="description,networkInterfaces"), network):
                    await remove_vm(self.compute, self.desired.ns, zone)
            await gather_all(
                decoy_routes(self.desired.cluster, network).remove(self.compute),
                drill_routes(self.desired.cluster, network).remove(self.compute),
            )

    async def _ownership(self, network: str) -> Ownership:
        """Without Machines: a route is recognised by the machine deployment of its VM."""
        saved = [
            SavedRoute(route.instance_name, route.destination_cidr, route.zone)
            for route in (await self.record.state()).routes
        ]
        return Ownership.of(self.desired.cluster, network, saved=saved)

    async def _firewalls(self, network: str | None) -> None:
        """The four of the cluster, and those of load balancers (docs/reference/weaknesses.md#w22)."""
        ns = self.desired.ns
        own = (
            names.firewall_internal(ns),
            names.firewall_internal_ipv6(ns),
            names.firewall_health_checks(ns),
            names.firewall_health_checks_ipv6(ns),
        )
        with task("destroy infrastructure firewall"):
            listed = await self.compute.list("global/firewalls", fields=FIREWALL_FIELDS)
            doomed = [
                rule["name"]
                for rule in listed
                if rule["name"] in own
                or (
                    network is not None
                    and rule["name"].startswith(CLUSTER_FIREWALL_PREFIX)
                    and ns in (rule.get("targetTags") or ())
                    and same_resource(rule.get("network") or "", network)
                )
            ]
            await gather_all(*(self.compute.delete(f"global/firewalls/{name}") for name in doomed))

    async def _subnet(self, name: str, subnet: str) -> None:
        with task(name):
            await self.compute.delete(self.desired.subnet_path(subnet))

    async def _router_and_nodes(self) -> None:
        """Delete the NAT before the subnet that it uses: with the managed router, or in the user's router."""
        path = self.desired.regional("routers", self.desired.router)
        if self.desired.config.user_router:
            with task("destroy nats"):
                await self._nat(path)
        else:
            with task("ensure router deleted"):
                await self.compute.delete(path)
        await self._subnet("destroy worker subnet", self.desired.nodes_subnet)

    async def _nat(self, path: str) -> None:
        router = await self.compute.find(path)
        nats = (router or {}).get("nats") or ()
        kept = [nat for nat in nats if nat.get("name") != names.cloud_nat(self.desired.ns)]
        if len(kept) < len(nats):
            await self.compute.patch(path, {"nats": kept})

    async def _announce_service_account(self) -> None:
        """Report the service account that Terraform created; it belongs to the project and is not deleted here."""
        await EventRecorder(self.kube, self.clock, INFRASTRUCTURE, self.shoot.name, self.desired.ns).announce(
            "ServiceAccountLeft",
            f"service account {self.desired.ns} of project {self.desired.project}, which was created for the nodes, "
            "is not deleted with the infrastructure; delete it if nothing else uses it",
            kind="Warning",
        )


async def delete_terraform_leftovers(kube: Kube, name: str, namespace: str) -> None:
    """Delete Terraform's configuration, state and variables of the Infrastructure, if they exist.

    Only after a success: until then they are the only copy (docs/reference/gardener.md#terraform-state).
    """
    prefix = f"{name}.infra.tf-"
    for kind, part in ((CONFIG_MAP, "config"), (CONFIG_MAP, "state"), (SECRET, "vars")):
        if await kube.get(kind, prefix + part, namespace) is not None:
            await kube.delete(kind, prefix + part, namespace)
