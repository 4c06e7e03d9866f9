"""The subnets of one Shoot: created, changed where they differ, and read for their IPv6 prefixes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from dualstack.clock import Clock
from dualstack.gardener.controllers.infrastructure import difference
from dualstack.gardener.controllers.infrastructure.desired import Body, Desired
from dualstack.gardener.controllers.infrastructure.record import Prefixes
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import StaleFingerprint, Transient
from dualstack.gce.gather import gather_all
from dualstack.gce.pacing import Pace
from dualstack.gce.resources import ipv6_prefix
from dualstack.model import cidr

ROUNDS = 10
"""Requests on one subnet until the change is given up: a few aspects, and some stale fingerprints."""

STALE_PACE = Pace(first=1.0, growth=2.0, ceiling=15.0)
"""Between reads of a subnet with a stale fingerprint: another client changes it, or a read lags behind."""

PREFIX_TIMEOUT = 600.0
"""Seconds until a missing IPv6 prefix is an error; the cloud takes up to half a minute and sometimes longer
(docs/reference/weaknesses.md#w30)."""

PREFIX_PACE = Pace(first=1.0, growth=1.5, ceiling=5.0)


@dataclass(frozen=True, slots=True)
class Subnets:
    """The nodes, internal and services subnet of one Shoot."""

    compute: ComputeClient
    clock: Clock
    desired: Desired
    reporter: Reporter

    async def create_nodes(self, network: str) -> None:
        """Create the nodes subnet if it does not exist; `network` is the VPC's selfLink, here and below."""
        await self._find_or_create(self.desired.nodes_subnet, self.desired.nodes(network))

    async def update_nodes(self) -> Resource:
        """Change the nodes subnet until nothing differs, and return it.

        Each request needs the current fingerprint, so the subnet is read before each
        (docs/reference/compute-engine.md#subnetwork-updates).
        """
        path = self.desired.subnet_path(self.desired.nodes_subnet)
        for delay in islice(STALE_PACE.delays(), ROUNDS):
            subnet = await self.compute.get(path)
            changes = difference.nodes_subnet_changes(subnet, self.desired)
            if not changes:
                return subnet
            try:
                await self._change(path, subnet, changes[0])
            except StaleFingerprint:
                await self.clock.sleep(delay)
        raise Transient("conditionNotMet", f"subnet {path} still differs in {changes[0].what} after {ROUNDS} requests")

    async def ensure_internal(self, network: str) -> None:
        """Create the internal subnet, expand it, make it dual-stack, or delete it when the Shoot no longer has one."""
        wanted = self.desired.internal(network)
        path = self.desired.subnet_path(self.desired.internal_subnet)
        if wanted is None:
            if await self.compute.find(path, fields="name") is not None:
                await self.compute.delete(path)
            return
        found = await self._find_or_create(self.desired.internal_subnet, wanted)
        if found is None:
            return
        if not cidr.same(found["ipCidrRange"], wanted["ipCidrRange"]):
            expanded = {"ipCidrRange": wanted["ipCidrRange"]}
            await self.compute.post(f"{path}/expandIpCidrRange", expanded)
            found = await self.compute.get(path)
        if "stackType" in wanted:
            await self._make_dual_stack(path, found)

    async def ensure_services(self, network: str) -> None:
        """Create the services subnet, or make it dual-stack.

        It holds no VM; it reserves its /64 (docs/reference/gardener.md#services-subnet-reserves).
        """
        path = self.desired.subnet_path(self.desired.services_subnet)
        found = await self.compute.find(path)
        if found is None:
            with self.reporter.step("create-services-subnet", self.desired.services_subnet):
                body = self.desired.services_body(network)
                await self.compute.post(self.desired.regional("subnetworks"), body)
            return
        await self._make_dual_stack(path, found)

    async def _make_dual_stack(self, path: str, found: Resource) -> None:
        for change in difference.stack_type_changes(found):
            await self.compute.patch(path, change.body | {"fingerprint": found["fingerprint"]})

    async def prefixes(self) -> Prefixes:
        """Both /64s, as soon as the cloud has assigned them; raises Transient after `PREFIX_TIMEOUT`."""
        prefixes = await self._read_prefixes()
        if prefixes.complete:
            return prefixes
        deadline = self.clock.now() + PREFIX_TIMEOUT
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

    async def _find_or_create(self, name: str, body: Body) -> Resource | None:
        """The subnet as it was found; None when it had to be created."""
        found = await self.compute.find(self.desired.subnet_path(name))
        if found is None:
            await self.compute.post(self.desired.regional("subnetworks"), body)
        return found

    async def _change(self, path: str, subnet: Resource, change: difference.SubnetChange) -> None:
        if change.expand:
            await self.compute.post(f"{path}/expandIpCidrRange", change.body)
            return
        body = change.body | {"fingerprint": subnet["fingerprint"]}
        if change.what == "stack-type":
            with self.reporter.step("set-stack-type", subnet["name"]):
                await self.compute.patch(path, body)
        else:
            await self.compute.patch(path, body)

    async def _read_prefixes(self) -> Prefixes:
        nodes, services = await gather_all(
            *(
                self.compute.get(self.desired.subnet_path(name), fields="externalIpv6Prefix")
                for name in (self.desired.nodes_subnet, self.desired.services_subnet)
            )
        )
        return Prefixes(ipv6_prefix(nodes), ipv6_prefix(services))
