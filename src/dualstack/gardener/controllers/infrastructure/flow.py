"""The cloud's resources of one Shoot, brought to what is desired, in the order of gardener-behaviour.md 4.2.

Every task looks first and sends a request only when something differs in meaning, so that a reconcile of a cluster at
rest changes nothing. Tasks are named as Gardener names them, because their names stand in error messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from dualstack.clock import Clock
from dualstack.gardener.controllers.infrastructure import difference, status
from dualstack.gardener.controllers.infrastructure.desired import Body, Desired
from dualstack.gardener.controllers.infrastructure.migration import Migration
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.controllers.infrastructure.reporting import Reporter, TaskFailed, task
from dualstack.gardener.controllers.infrastructure.services import ServicesSubnet
from dualstack.gardener.controllers.infrastructure.status import Fields, Prefixes
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import StaleFingerprint, Transient
from dualstack.gce.gather import gather_all
from dualstack.gce.pacing import Pace
from dualstack.gce.resources import ipv6_prefix
from dualstack.model import cidr
from dualstack.model.errors import InvalidInput

ROUNDS = 10
"""Requests on one subnet until it counts as not to be changed: a handful of aspects, and some that came too late."""

STALE_PACE = Pace(first=1.0, growth=2.0, ceiling=15.0)
"""Between looks at a subnet whose fingerprint was stale: somebody else changes it, or a read lags behind."""

PREFIX_PATIENCE = 600.0
"""Seconds until a missing IPv6 prefix is an error; the cloud takes from seconds to more than half a minute (W30)."""

PREFIX_PACE = Pace(first=1.0, growth=1.5, ceiling=5.0)


@dataclass(frozen=True, slots=True)
class InfrastructureFlow:
    """One run for one Shoot. `migrating`: the status does not show IPv6 yet, so that the phase `ipv6` is reported."""

    compute: ComputeClient
    clock: Clock
    desired: Desired
    shoot: ShootView
    record: InfrastructureRecord
    reporter: Reporter
    migration: Migration
    services: ServicesSubnet
    pace: Pace
    migrating: bool

    async def run(self) -> Fields:
        """Bring everything to what is desired; the fields of the status.

        Raises TaskFailed, which also tells since when the cluster is without its cloud-controller-manager (W4).
        """
        try:
            return await self._run()
        except TaskFailed as error:
            if (absence := await self.migration.absence()) is not None:
                error.tell(absence)
            raise

    async def _run(self) -> Fields:
        # Before anything is made: whoever deletes the Shoot later must know that there is something to look for.
        await self.record.merge_data(status.state_data(Prefixes()))
        with task("ensure VPC"):
            network = await self._network()
        with task("ensure worker subnet"):
            await self._created(self.desired.nodes_subnet, self.desired.nodes(network["selfLink"]))
        if self.desired.dual:
            with task("ensure kubernetes routes cleanup"):
                await self.migration.run()
        else:
            with task("restore kubernetes routes"):
                await self.migration.abandon()
        with self.reporter.phase("ipv6", silent=not self.migrating):
            return await self._addresses(network["selfLink"])

    async def _addresses(self, network: str) -> Fields:
        """Subnets, prefixes, NAT and firewalls, each published once it is true (W3)."""
        with task("ensure worker subnet"):
            nodes = await self._nodes_subnet()
        with task("ensure internal subnet"):
            await self._internal_subnet(network)
        prefixes = Prefixes()
        if self.desired.dual:
            with task("ensure IPv6 services subnet"):
                await self.services.ensure(network)
            with task("ensure IPv6 CIDR services"):
                prefixes = await self._prefixes()
        await self.record.merge_data(status.state_data(prefixes))
        with task("ensure IP addresses"):
            nat_ips = await self._nat_ips()
        fields = await self._fields(prefixes, tuple(address["address"] for address in nat_ips))
        if self.migrating:
            # What follows may fail, and does not make this any less true (W3).
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
        return {
            "providerStatus": status.provider_status(
                self.desired, self.shoot, nat_ips=nat_ips, state=await self.record.state()
            ),
            "networking": status.networking(self.shoot, prefixes),
            "egressCIDRs": status.egress(nat_ips, prefixes),
        }

    # -- VPC and subnets

    async def _network(self) -> Resource:
        path = f"global/networks/{self.desired.vpc}"
        found = await self.compute.find(path)
        if self.desired.config.user_vpc:
            if found is None:
                raise InvalidInput(f"failed to locate user-managed VPC [Name={self.desired.vpc}]")
            return found
        if found is None:
            await self.compute.post("global/networks", self.desired.network(), pace=self.pace)
            return await self.compute.get(path)
        change = difference.network_change(found, self.desired)
        if change is not None:
            await self.compute.patch(path, change, pace=self.pace)
        return found

    async def _created(self, name: str, body: Body) -> Resource | None:
        """The subnet as it was found; None when it had to be created."""
        found = await self.compute.find(self.desired.subnet_path(name))
        if found is None:
            await self.compute.post(self.desired.regional("subnetworks"), body, pace=self.pace)
        return found

    async def _nodes_subnet(self) -> Resource:
        """The nodes subnet once it needs no request any more.

        Each request answers to a fingerprint of its own, so the subnet is read anew after each (compute-api.md 5.3).
        """
        path = self.desired.subnet_path(self.desired.nodes_subnet)
        for delay in islice(STALE_PACE.delays(), ROUNDS):
            subnet = await self.compute.get(path)
            changes = difference.nodes_subnet_changes(subnet, self.desired)
            if not changes:
                return subnet
            try:
                await self._change_subnet(path, subnet, changes[0])
            except StaleFingerprint:
                await self.clock.sleep(delay)
        raise Transient(
            "conditionNotMet", f"subnet {path} does not become what it should be: {changes[0].what} differs"
        )

    async def _change_subnet(self, path: str, subnet: Resource, change: difference.SubnetChange) -> None:
        if change.expand:
            await self.compute.post(f"{path}/expandIpCidrRange", change.body, pace=self.pace)
            return
        body = change.body | {"fingerprint": subnet["fingerprint"]}
        if change.what == "stack-type":
            with self.reporter.step("set-stack-type", subnet["name"]):
                await self.compute.patch(path, body, pace=self.pace)
        else:
            await self.compute.patch(path, body, pace=self.pace)

    async def _internal_subnet(self, network: str) -> None:
        """Kept IPv4 (W33), removed when the Shoot has none any more."""
        wanted = self.desired.internal(network)
        path = self.desired.subnet_path(self.desired.internal_subnet)
        if wanted is None:
            if await self.compute.find(path, fields="name") is not None:
                await self.compute.delete(path, pace=self.pace)
            return
        found = await self._created(self.desired.internal_subnet, wanted)
        if found is not None and not cidr.same(found["ipCidrRange"], wanted["ipCidrRange"]):
            expanded = {"ipCidrRange": wanted["ipCidrRange"]}
            await self.compute.post(f"{path}/expandIpCidrRange", expanded, pace=self.pace)

    async def _prefixes(self) -> Prefixes:
        """Both /64s, as soon as the cloud has assigned them (W30)."""
        prefixes = await self._read_prefixes()
        if prefixes.complete:
            return prefixes
        deadline = self.clock.now() + PREFIX_PATIENCE
        with self.reporter.step("await-ipv6-prefixes"):
            for delay in PREFIX_PACE.delays():
                await self.clock.sleep(delay)
                prefixes = await self._read_prefixes()
                if prefixes.complete:
                    break
                if self.clock.now() >= deadline:
                    missing = self.desired.services_subnet if prefixes.nodes else self.desired.nodes_subnet
                    raise Transient("ipv6PrefixMissing", f'no IPv6 CIDR block was assigned to subnet "{missing}"')
        return prefixes

    async def _read_prefixes(self) -> Prefixes:
        nodes, services = await gather_all(
            *(
                self.compute.get(self.desired.subnet_path(name), fields="externalIpv6Prefix")
                for name in (self.desired.nodes_subnet, self.desired.services_subnet)
            )
        )
        return Prefixes(ipv6_prefix(nodes), ipv6_prefix(services))

    # -- router, NAT, firewalls

    async def _nat_ips(self) -> list[Resource]:
        """The user's addresses for NAT, in the order of the Shoot."""
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
        await self.compute.post(self.desired.regional("routers"), self.desired.router_body(network), pace=self.pace)
        return await self.compute.get(path)

    async def _nat(self, router: Resource, nodes_subnet: str, nat_ips: tuple[str, ...]) -> None:
        change = difference.nats_change(router, self.desired.nat(nodes_subnet, nat_ips))
        if change is not None:
            with self.reporter.step("update-nat", router["name"]):
                await self.compute.patch(self.desired.regional("routers", self.desired.router), change, pace=self.pace)

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
                *(self.compute.post("global/firewalls", rule, pace=self.pace) for rule in created),
                *(self.compute.patch(f"global/firewalls/{rule['name']}", rule, pace=self.pace) for rule in changed),
            )
