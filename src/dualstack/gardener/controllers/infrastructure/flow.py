"""Reconciles the cloud resources of one Shoot, in Gardener's order (docs/reference/gardener.md#reconcile-graph).

Every task reads first and sends a request only when something differs in meaning; a reconcile of a cluster at rest
changes nothing. Tasks have Gardener's names, which appear in error messages.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.gardener.controllers.infrastructure import difference
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.infrastructure.migration import Migration
from dualstack.gardener.controllers.infrastructure.record import (
    Fields,
    InfrastructureRecord,
    Prefixes,
    egress,
    networking,
    provider_status,
    state_data,
)
from dualstack.gardener.controllers.infrastructure.subnets import Subnets
from dualstack.gardener.controllers.reporting import Reporter, TaskFailed, task
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import last_segment
from dualstack.model.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class InfrastructureFlow:
    """One reconcile of one Shoot. `migrating`: the status does not show IPv6 yet, so the phase `ipv6` is reported."""

    compute: ComputeClient
    desired: Desired
    shoot: ShootView
    record: InfrastructureRecord
    reporter: Reporter
    migration: Migration
    subnets: Subnets
    migrating: bool

    async def run(self) -> Fields:
        """Bring everything to the desired state and return the fields of the status.

        Raises TaskFailed, which also says since when cloud-controller-manager has been stopped.
        """
        try:
            return await self._run()
        except TaskFailed as error:
            if (notice := await self.migration.stop_notice()) is not None:
                error.append(notice)
            raise

    async def _run(self) -> Fields:
        # Before the first resource is created, so that a later deletion looks for resources.
        await self.record.merge_data(state_data(Prefixes()))
        with task("ensure VPC"):
            network = await self._network()
        if self.desired.config.user_router:  # before the first change, because no later step can create it
            with task("ensure router"):
                await self._router(network["selfLink"])
        with task("ensure worker subnet"):
            await self.subnets.create_nodes(network["selfLink"])
        if self.desired.dual:
            with task("ensure kubernetes routes cleanup"):
                await self.migration.run()
        else:
            with task("restore kubernetes routes"):
                await self.migration.abandon()
        with task("ensure VPC"):
            await self._update_network(network)
        with self.reporter.phase("ipv6", silent=not self.migrating):
            return await self._addresses(network["selfLink"])

    async def _addresses(self, network: str) -> Fields:
        """Subnets, prefixes, NAT and firewalls; each is published once it exists (docs/reference/weaknesses.md#w3)."""
        with task("ensure worker subnet"):
            nodes = await self.subnets.update_nodes()
        with task("ensure internal subnet"):
            await self.subnets.ensure_internal(network)
        prefixes = Prefixes()
        if self.desired.dual:
            with task("ensure IPv6 services subnet"):
                await self.subnets.ensure_services(network)
            with task("ensure IPv6 CIDR services"):
                prefixes = await self.subnets.prefixes()
        await self.record.merge_data(state_data(prefixes))
        with task("ensure IP addresses"):
            nat_ips = await self._nat_ips()
        fields = await self._fields(prefixes, tuple(address["address"] for address in nat_ips))
        if self.migrating:
            # The following tasks may fail; these fields are true nevertheless.
            await self.record.publish({name: fields[name] for name in ("providerStatus", "networking")})
        with task("ensure router"):
            router = await self._router(network)
        with task("ensure nats"):
            await self._nat(router, nodes["selfLink"], tuple(address["selfLink"] for address in nat_ips))
        with task("ensure firewall"):
            await self._firewalls(network, prefixes)
        if self.migrating:
            with self.reporter.step("publish-status"):
                await self.record.publish(fields)
        return fields

    async def _fields(self, prefixes: Prefixes, nat_ips: tuple[str, ...]) -> Fields:
        state = await self.record.state()
        return {
            "providerStatus": provider_status(self.desired, self.shoot, nat_ips=nat_ips, state=state),
            "networking": networking(self.shoot, prefixes),
            "egressCIDRs": egress(nat_ips, prefixes),
        }

    async def _network(self) -> Resource:
        path = f"global/networks/{self.desired.vpc}"
        found = await self.compute.find(path)
        if self.desired.config.user_vpc:
            if found is None:
                raise InvalidInput(f"failed to locate user-managed VPC [Name={self.desired.vpc}]")
            return found
        if found is None:
            await self.compute.post("global/networks", self.desired.network())
            return await self.compute.get(path)
        return found

    async def _update_network(self, network: Resource) -> None:
        """Change what differs in a managed VPC; after the preflight, which must come before the first change."""
        if self.desired.config.user_vpc:
            return
        change = difference.network_change(network, self.desired)
        if change is not None:
            await self.compute.patch(f"global/networks/{self.desired.vpc}", change)

    async def _nat_ips(self) -> list[Resource]:
        """The user's NAT addresses, in the order of the Shoot."""
        wanted = self.desired.config.nat_ip_names
        found = await gather_all(*(self.compute.find(self.desired.regional("addresses", name)) for name in wanted))
        missing = [name for name, address in zip(wanted, found, strict=True) if address is None]
        if missing:
            field = "spec.provider.infrastructureConfig.networks.cloudNAT.natIPNames"
            raise InvalidInput(*(f'{field}: Not found: "{name}"' for name in missing))
        return [address for address in found if address is not None]

    async def _router(self, network: str) -> Resource:
        path = self.desired.regional("routers", self.desired.router)
        found = await self.compute.find(path)
        if found is not None:
            return found
        if self.desired.config.user_router:
            raise InvalidInput(f"failed to locate user-managed CloudRouter [Name={self.desired.router}]")
        await self.compute.post(self.desired.regional("routers"), self.desired.router_body(network))
        return await self.compute.get(path)

    async def _nat(self, router: Resource, nodes_subnet: str, nat_ips: tuple[str, ...]) -> None:
        change = difference.nats_change(router, self.desired.nat(nodes_subnet, nat_ips))
        if change is not None:
            with self.reporter.step("update-nat", router["name"]):
                await self.compute.patch(self.desired.regional("routers", self.desired.router), change)

    async def _firewalls(self, network: str, prefixes: Prefixes) -> None:
        wanted = self.desired.firewalls(network, prefixes.nodes, prefixes.services)
        found = await gather_all(*(self.compute.find(f"global/firewalls/{rule['name']}") for rule in wanted))
        created = [rule for rule, current in zip(wanted, found, strict=True) if current is None]
        changed = [
            change
            for rule, current in zip(wanted, found, strict=True)
            if current is not None and (change := difference.firewall_change(current, rule)) is not None
        ]
        if not created and not changed:
            return
        with self.reporter.step("create-firewall-rules", ", ".join(rule["name"] for rule in (*created, *changed))):
            await gather_all(
                *(self.compute.post("global/firewalls", rule) for rule in created),
                *(self.compute.patch(f"global/firewalls/{rule['name']}", rule) for rule in changed),
            )


async def check_config(compute: ComputeClient, desired: Desired) -> None:
    """Check that the user's NAT addresses exist and are free (docs/reference/gardener.md#config-validator).

    Raises InvalidInput with a line for each that fails.
    """
    wanted = desired.config.nat_ip_names
    found = await gather_all(
        *(compute.find(desired.regional("addresses", name), fields="name,addressType,users") for name in wanted)
    )
    faults = [
        f"networks.cloudNAT.natIPNames[{index}].name: {problem}"
        for index, (name, address) in enumerate(zip(wanted, found, strict=True))
        if (problem := _problem(name, address, desired.router)) is not None
    ]
    if faults:
        raise InvalidInput(*faults)


def _problem(name: str, address: Resource | None, router: str) -> str | None:
    if address is None or address.get("addressType", "EXTERNAL") != "EXTERNAL":
        return f'Not found: "{name}"'
    others = [user for user in address.get("users") or () if last_segment(user) != router]
    return f'Invalid value: "{name}": external IP address is already in use by {", ".join(others)}' if others else None
